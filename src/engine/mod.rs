//! skeleton
pub mod key;
pub mod time;
