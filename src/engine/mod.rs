//! skeleton
pub mod key;
pub mod pattern;
pub mod routes;
pub mod time;
