//! The demo origin.
fn main() {}
