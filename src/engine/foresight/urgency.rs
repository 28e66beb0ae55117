//! How urgent a key is that somebody queues with a base priority: the base times what the key is expected to be worth.

use super::forecast::Prediction;
use crate::engine::request::Priority;

/// Expected requests at which half of their say is reached.
const MIDDLING: f64 = 10.0;

impl Prediction {
    /// The base priority times a factor from 0.5 (nothing is expected) to 1.5 (certainly hot, and asked for again and
    /// again): `0.5 + (hot + popularity / (popularity + 10)) / 2`, rounded, at most [`Priority::MAX`]. It never falls when
    /// `hot` or `popularity` rises.
    ///
    /// ```
    /// use redis_warm::engine::foresight::forecast::{Class, Prediction};
    /// use redis_warm::engine::request::Priority;
    /// use redis_warm::engine::time::Wall;
    /// let at = |hot, popularity| {
    ///     let (class, features) = (Class::Normal, Vec::new());
    ///     let expected = Prediction { popularity, hot, confidence: 0.5, class, features, model: 0, at: Wall::default() };
    ///     expected.urgency(Priority::default()).as_u16()
    /// };
    /// assert_eq!((at(0.0, 0.0), at(0.0, 10.0), at(1.0, 90.0)), (50, 75, 145));
    /// ```
    pub fn urgency(&self, base: Priority) -> Priority {
        let often = if self.popularity > 0.0 { self.popularity / (self.popularity + MIDDLING) } else { 0.0 };
        let often = if often.is_finite() { often } else { 1.0 };
        let factor = 0.5 + (self.hot.clamp(0.0, 1.0) + often) / 2.0;
        // A float becomes the nearest number that fits, and NaN becomes 0.
        Priority::new((f64::from(base.as_u16()) * factor).round() as u16).unwrap_or(Priority::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::foresight::forecast::Class;
    use crate::engine::time::Wall;

    fn urgency(base: u16, hot: f64, popularity: f64) -> u16 {
        let (class, features) = (Class::Unknown, Vec::new());
        let expected = Prediction { popularity, hot, confidence: 0.5, class, features, model: 0, at: Wall::default() };
        expected.urgency(Priority::new(base).unwrap()).as_u16()
    }

    #[test]
    fn odd_figures_stay_in_range() {
        assert_eq!(urgency(1000, 1.0, f64::INFINITY), 1000);
        assert_eq!(urgency(0, 1.0, 1e300), 0);
        assert_eq!(urgency(100, f64::NAN, f64::NAN), 0);
        assert_eq!(urgency(100, 0.0, -5.0), 50);
    }

    proptest! {
        #[test]
        fn what_is_worth_more_is_not_less_urgent(
            base in 0_u16..=1000, hot in 0.0..1.0, more in 0.0..1.0, popularity in 0.0..1e6, further in 0.0..1e6,
        ) {
            let least = urgency(base, hot, popularity);
            prop_assert!(urgency(base, f64::min(hot + more, 1.0), popularity) >= least);
            prop_assert!(urgency(base, hot, popularity + further) >= least);
            prop_assert!(least <= 1000);
        }
    }
}
