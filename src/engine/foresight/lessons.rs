//! Learning: what is handed to another thread, and what comes back.

use super::forecast::ContentFeature;

/// A caller's row: what a key is like, and how many requests it got in a horizon.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The content.
    pub features: Vec<ContentFeature>,
    /// Requests in one horizon; what is negative or not finite is not taken.
    pub requests: f64,
}

/// Why a lesson is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occasion {
    /// To see whether it is time.
    Due,
    /// A user wants one now.
    Asked,
}

/// What is to be learned from.
#[derive(Clone, Debug)]
pub struct Lesson {}

/// What was learned.
#[derive(Clone, Debug)]
pub struct Learned {}

/// What became of what was learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adoption {
    /// A model of this version is in use now.
    Adopted {
        /// Its version.
        version: u64,
    },
    /// The model in use, or persistence, was better.
    Kept,
}

impl Lesson {
    /// Fewer samples than this teach nothing.
    pub const FEWEST_SAMPLES: usize = 1000;

    /// Learns. Up to about two seconds: not for a thread that others wait for.
    pub fn learn(self) -> Learned {
        Learned {}
    }
}
