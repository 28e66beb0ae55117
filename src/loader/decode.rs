//! Transfer encodings: gzip, brotli and zstd, decoded as the bytes arrive.
//!
//! The output is bounded while it is made, so a decompression bomb ends at the limit; an encoding that is damaged or cut
//! short is an error. Memory: the output, and the decoder's window (32 KiB, at most 16 MiB, at most 8 MiB).

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use zstd::stream::raw::{DParameter, Decoder as ZstdOperation};
use zstd::stream::zio::Writer as ZstdWriter;

use super::compress::ZSTD_WINDOW_LOG;

/// Takes a body's bytes as they come and gives the plain ones.
pub enum Decoder {
    /// The bytes are plain.
    Identity(Sink),
    /// gzip, one member or several.
    Gzip(Box<MultiGzDecoder<Sink>>),
    /// Brotli.
    Brotli(Box<DecompressorWriter<Sink>>),
    /// zstd, one frame or several.
    Zstd(Box<ZstdWriter<Sink, ZstdOperation<'static>>>),
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The plain bytes would be more than the limit.
    TooLarge,
    /// Not what `Content-Encoding` says, or cut short.
    Damaged,
}

/// The encoding is none that was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownEncoding;

/// A bounded buffer.
#[derive(Debug)]
pub struct Sink {
    bytes: Vec<u8>,
    limit: usize,
    full: bool,
}

impl Decoder {
    /// A decoder for an answer with `headers` that gives at most `limit` bytes; `expected` is how many to make room for.
    ///
    /// # Errors
    /// [`UnknownEncoding`] if the answer has another encoding, or more than one.
    pub fn new(headers: &HeaderMap, limit: usize, expected: usize) -> Result<Self, UnknownEncoding> {
        let sink = Sink { bytes: Vec::with_capacity(expected.min(limit)), limit, full: false };
        let mut lines = headers.get_all(CONTENT_ENCODING).iter();
        let Some(name) = lines.next() else { return Ok(Decoder::Identity(sink)) };
        if lines.next().is_some() {
            return Err(UnknownEncoding);
        }
        let is = |word: &[u8]| name.as_bytes().trim_ascii().eq_ignore_ascii_case(word);
        if is(b"identity") || is(b"") {
            Ok(Decoder::Identity(sink))
        } else if is(b"gzip") || is(b"x-gzip") {
            Ok(Decoder::Gzip(Box::new(MultiGzDecoder::new(sink))))
        } else if is(b"br") {
            Ok(Decoder::Brotli(Box::new(DecompressorWriter::new(sink, BUFFER))))
        } else if is(b"zstd") {
            let mut operation = ZstdOperation::new().map_err(|_| UnknownEncoding)?;
            operation.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|_| UnknownEncoding)?;
            Ok(Decoder::Zstd(Box::new(ZstdWriter::new_with_capacity(sink, operation, BUFFER))))
        } else {
            Err(UnknownEncoding)
        }
    }

    /// Whether the bytes are plain as they come.
    pub fn is_identity(&self) -> bool {
        matches!(self, Decoder::Identity(_))
    }

    /// How many plain bytes there are so far.
    pub fn len(&self) -> usize {
        self.sink().bytes.len()
    }

    /// Whether there are no plain bytes yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes some more of the body.
    ///
    /// # Errors
    /// If the body is damaged or too large.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let pushed = match self {
            Decoder::Identity(sink) => sink.write_all(bytes),
            Decoder::Gzip(writer) => writer.write_all(bytes),
            Decoder::Brotli(writer) => writer.write_all(bytes),
            Decoder::Zstd(writer) => writer.write_all(bytes),
        };
        pushed.map_err(|_| self.error())
    }

    /// The plain bytes, once all of the body was pushed.
    ///
    /// # Errors
    /// If the body ended too early, is damaged or too large.
    pub fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        let finished = match &mut self {
            Decoder::Identity(_) => Ok(()),
            Decoder::Gzip(writer) => writer.try_finish(),
            Decoder::Brotli(writer) => writer.close(),
            Decoder::Zstd(writer) => writer.finish(),
        };
        if finished.is_err() {
            return Err(self.error());
        }
        Ok(std::mem::take(&mut self.sink_mut().bytes))
    }

    fn error(&self) -> DecodeError {
        if self.sink().full { DecodeError::TooLarge } else { DecodeError::Damaged }
    }

    fn sink(&self) -> &Sink {
        match self {
            Decoder::Identity(sink) => sink,
            Decoder::Gzip(writer) => writer.get_ref(),
            Decoder::Brotli(writer) => writer.get_ref(),
            Decoder::Zstd(writer) => writer.writer(),
        }
    }

    fn sink_mut(&mut self) -> &mut Sink {
        match self {
            Decoder::Identity(sink) => sink,
            Decoder::Gzip(writer) => writer.get_mut(),
            Decoder::Brotli(writer) => writer.get_mut(),
            Decoder::Zstd(writer) => writer.writer_mut(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.full = true;
            return Err(io::Error::other("full"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const BUFFER: usize = 16 << 10;

#[cfg(test)]
pub(super) mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    /// `hello` as one uncompressed metablock.
    const BROTLI: &[u8] = &[0x0b, 0x02, 0x80, b'h', b'e', b'l', b'l', b'o', 0x03];

    fn decoder(encoding: &str, limit: usize) -> Result<Decoder, UnknownEncoding> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap())]);
        Decoder::new(&headers, limit, 0)
    }

    fn decode(encoding: &str, body: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = decoder(encoding, limit).unwrap();
        for chunk in body.chunks(7) {
            decoder.push(chunk)?;
        }
        decoder.finish()
    }

    fn pack(encoding: &str, plain: &[u8]) -> Vec<u8> {
        match encoding {
            "gzip" => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(plain).unwrap();
                packer.finish().unwrap()
            }
            "zstd" => zstd::bulk::compress(plain, 1).unwrap(),
            _ => BROTLI.to_vec(),
        }
    }

    #[test]
    fn every_encoding_is_decoded() {
        for encoding in ["gzip", "zstd", "br"] {
            assert_eq!(decode(encoding, &pack(encoding, b"hello"), 5).unwrap(), b"hello", "{encoding}");
            assert_eq!(decode(encoding, &pack(encoding, b"hello"), 4), Err(DecodeError::TooLarge), "{encoding}");
        }
        assert_eq!(decode("identity", b"hello", 5).unwrap(), b"hello");
        assert_eq!(decode("", b"hello", 4), Err(DecodeError::TooLarge));
    }

    #[test]
    fn a_body_cut_anywhere_is_damaged() {
        for encoding in ["gzip", "zstd", "br"] {
            let body = pack(encoding, b"hello");
            for end in 1..body.len() {
                assert_eq!(decode(encoding, &body[..end], 100), Err(DecodeError::Damaged), "{encoding} at {end}");
            }
        }
    }

    #[test]
    fn garbage_is_damaged() {
        for encoding in ["gzip", "zstd", "br"] {
            assert_eq!(
                decode(encoding, b"\xff\xfe garbage that is no encoding", 100),
                Err(DecodeError::Damaged),
                "{encoding}"
            );
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        for encoding in ["gzip", "zstd"] {
            let bomb = pack(encoding, &vec![0; 32 << 20]);
            assert!(bomb.len() < 200 << 10);
            assert_eq!(decode(encoding, &bomb, 1 << 20), Err(DecodeError::TooLarge), "{encoding}");
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        assert!(decoder("deflate", 1).is_err());
        assert!(decoder("gzip, br", 1).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_not(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for encoding in ["gzip", "zstd", "br"] {
                let plain = decode(encoding, &body, 1000);
                prop_assert!(plain.is_err() || plain.is_ok_and(|plain| plain.len() <= 1000));
            }
        }
    }
}
