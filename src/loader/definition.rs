//! A loader that is known to be usable.
/// skeleton
#[derive(Debug)]
pub struct Definition;
