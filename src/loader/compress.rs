//! The stored form of a string value: packed if the loader says so, and unpacked again by its magic.

use std::io::{Read, Write};

use bytes::Bytes;

use super::settings::Compression;

/// `plain` in the form of `compression`; the plain bytes themselves if there is none. A form that the packer cannot make
/// (it is out of memory) is stored plain, which [`decompress`] tells apart.
pub fn compress(plain: &Bytes, compression: Compression) -> Bytes {
    let packed = match compression {
        Compression::None => return plain.clone(),
        Compression::Zstd => zstd::bulk::compress(plain, ZSTD_LEVEL),
        Compression::Gzip => gzip(plain),
    };
    packed.map_or_else(|_| plain.clone(), Bytes::from)
}

/// The plain form of a stored value that begins like a zstd frame or a gzip member; `None` if it does not, is damaged,
/// or would be longer than `limit` bytes.
pub fn decompress(stored: &[u8], limit: usize) -> Option<Bytes> {
    let most = u64::try_from(limit).ok()?.saturating_add(1);
    let mut plain = Vec::new();
    match stored {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let mut unpacker = zstd::stream::read::Decoder::new(stored).ok()?;
            unpacker.window_log_max(ZSTD_WINDOW_LOG).ok()?;
            unpacker.take(most).read_to_end(&mut plain)
        }
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(stored).take(most).read_to_end(&mut plain),
        _ => return None,
    }
    .ok()
    .filter(|length| *length <= limit)
    .map(|_| Bytes::from(plain))
}

const ZSTD_LEVEL: i32 = 3;

/// No frame makes the unpacker keep more than 2^23 bytes of window, which is what RFC 8878 asks every decoder for.
pub(super) const ZSTD_WINDOW_LOG: u32 = 23;

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(plain)?;
    packer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_or_damaged_value_is_not_unpacked() {
        let packed = compress(&Bytes::from(vec![b'x'; 10_000]), Compression::Zstd);
        assert!(packed.len() < 100);
        assert_eq!(decompress(b"plain", 100), None);
        assert_eq!(decompress(b"", 100), None);
        assert_eq!(decompress(&packed[..packed.len() - 2], 10_000), None);
        assert_eq!(decompress(&packed, 9_999), None);
        assert_eq!(decompress(&packed, 10_000).unwrap().len(), 10_000);
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out_again(plain in prop::collection::vec(any::<u8>(), 0..2000), gzip in any::<bool>()) {
            let form = if gzip { Compression::Gzip } else { Compression::Zstd };
            let plain = Bytes::from(plain);
            prop_assert_eq!(decompress(&compress(&plain, form), plain.len()), Some(plain));
        }

        #[test]
        fn any_bytes_unpack_or_not(tail in prop::collection::vec(any::<u8>(), 0..100)) {
            for magic in [&[0x28, 0xb5, 0x2f, 0xfd][..], &[0x1f, 0x8b]] {
                let plain = decompress(&[magic, &tail].concat(), 1000);
                prop_assert!(plain.is_none_or(|plain| plain.len() <= 1000));
            }
        }
    }
}
