//! Envelopes: what is learned, as bytes that can be stored, sent, and refused.
//!
//! ```text
//! "WARMMDL"   u16 version   u32 length   payload   u64 checksum
//! 7 bytes     2             4            length    8
//! ```
//!
//! Numbers are little-endian. The payload is bincode with integers of fixed width, so it is as long as what it stands
//! for; the checksum is XXH3 of everything before it. Any change of one bit is refused, and so is everything longer
//! than [`MAX_BYTES`]. The checksum keeps accidents out, not forgers: what is decoded is [validated](Validate) before
//! it is returned, so that no index leads astray. Memory while decoding is bounded by a small multiple of the bytes
//! given.
//!
//! A change of any stored type takes a new [`VERSION`]; what older ones wrote is read by code in its own file here.

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::Invalid;

/// The version that is written, and the highest that is read.
pub const VERSION: u16 = 1;

/// The largest envelope, in bytes: 8 MiB.
pub const MAX_BYTES: usize = 8 << 20;

const MAGIC: &[u8; 7] = b"WARMMDL";
const HEADER: usize = MAGIC.len() + size_of::<u16>() + size_of::<u32>();
const CHECKSUM: usize = size_of::<u64>();

/// What can tell whether it may be used, however it came about.
pub trait Validate {
    /// An error if using it could fail, or give what is not finite. O(size).
    fn validate(&self) -> Result<(), Invalid>;
}

/// Why nothing was encoded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EncodeError {
    /// It would be longer than [`MAX_BYTES`].
    #[error("{bytes} bytes to store, at most {MAX_BYTES} are allowed")]
    TooLarge {
        /// What it would take.
        bytes: usize,
    },
    /// Its type has no binary form.
    #[error("no binary form: {0}")]
    Form(String),
}

/// Why bytes were refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// They begin with something else.
    #[error("not a stored model: it does not begin with WARMMDL")]
    Foreign,
    /// A later version of this software wrote them.
    #[error("stored in version {found}, the newest that is known is {known}")]
    Newer {
        /// Of the bytes.
        found: u16,
        /// [`VERSION`].
        known: u16,
    },
    /// No version of this software wrote them.
    #[error("stored in version {found}, which never was")]
    Unknown {
        /// Of the bytes.
        found: u16,
    },
    /// They are more than [`MAX_BYTES`].
    #[error("{bytes} stored bytes, at most {MAX_BYTES} are allowed")]
    TooLarge {
        /// How many they are, or say they are.
        bytes: usize,
    },
    /// They are fewer or more than they say.
    #[error("{found} stored bytes where {expected} are announced")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// They are not what was written.
    #[error("stored bytes are damaged: the checksum is wrong")]
    Checksum,
    /// They are not of the type that is asked for.
    #[error("stored bytes do not make sense: {0}")]
    Form(String),
    /// What they say may not be used.
    #[error("stored model is invalid: {0}")]
    Invalid(#[from] Invalid),
}

/// The bytes of `value`.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let payload = bincode::serde::encode_to_vec(value, form()).map_err(|error| EncodeError::Form(error.to_string()))?;
    let bytes = HEADER + payload.len() + CHECKSUM;
    let length = u32::try_from(payload.len()).ok().filter(|_| bytes <= MAX_BYTES);
    let length = length.ok_or(EncodeError::TooLarge { bytes })?;
    let mut envelope = Vec::with_capacity(bytes);
    envelope.extend_from_slice(MAGIC);
    envelope.extend_from_slice(&VERSION.to_le_bytes());
    envelope.extend_from_slice(&length.to_le_bytes());
    envelope.extend_from_slice(&payload);
    envelope.extend_from_slice(&xxh3_64(&envelope).to_le_bytes());
    Ok(envelope)
}

/// What `bytes` stand for, if they are an envelope and nothing else.
pub fn decode<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, DecodeError> {
    let payload = payload(bytes)?;
    let decoded = bincode::serde::decode_from_slice(payload, form());
    let (value, read): (T, usize) = decoded.map_err(|error| DecodeError::Form(error.to_string()))?;
    if read != payload.len() {
        return Err(DecodeError::Length { found: payload.len(), expected: read });
    }
    value.validate()?;
    Ok(value)
}

/// The payload of an envelope of this version, undamaged.
fn payload(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let short = DecodeError::Length { found: bytes.len(), expected: HEADER + CHECKSUM };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Err(if MAGIC.starts_with(bytes) { short } else { DecodeError::Foreign });
    };
    let Some((version, rest)) = rest.split_first_chunk() else { return Err(short) };
    match u16::from_le_bytes(*version) {
        VERSION => {}
        0 => return Err(DecodeError::Unknown { found: 0 }),
        found => return Err(DecodeError::Newer { found, known: VERSION }),
    }
    let Some((length, rest)) = rest.split_first_chunk() else { return Err(short) };
    let length = u32::from_le_bytes(*length) as usize;
    let expected = HEADER.saturating_add(length).saturating_add(CHECKSUM);
    if expected > MAX_BYTES || bytes.len() > MAX_BYTES {
        return Err(DecodeError::TooLarge { bytes: expected.max(bytes.len()) });
    }
    if bytes.len() != expected {
        return Err(DecodeError::Length { found: bytes.len(), expected });
    }
    let Some((payload, checksum)) = rest.split_last_chunk() else { return Err(short) };
    let covered = &bytes[..HEADER + length];
    if xxh3_64(covered) != u64::from_le_bytes(*checksum) { Err(DecodeError::Checksum) } else { Ok(payload) }
}

/// How payloads are written: every number as wide as its type, nothing beyond the limit.
fn form() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_BYTES>()
}

#[cfg(test)]
mod tests;
