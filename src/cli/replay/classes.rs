//! The class of every request, the same for all policies, so that their figures can be compared class by class: the class
//! that the engine gave the key in the last round before the request.

use super::setting::Setting;
use super::trace::Trace;
use super::virtual_time::{DB, Driven, Learning};
use crate::engine::foresight::forecast;
use crate::engine::foresight::mode::Mode;

/// A class's number: its place in [`NAMES`].
pub(crate) type Class = u8;

/// The classes' names.
pub(crate) const NAMES: &[&str] = &["popular", "trending", "seasonal", "normal", "cold", "unknown"];

/// The class of each request. One pass of the engine, which learns nothing.
pub(crate) fn classes(trace: &Trace, setting: &Setting) -> Vec<Class> {
    let mut driven = Driven::new(trace, setting, Mode::Observe, Learning::Off);
    let class = |request: super::trace::Request| {
        while let Some(next_ms) = driven.next(request.ts_ms) {
            driven.wake(next_ms);
        }
        let class = number(driven.foresight.class(DB, trace.names.name(request.key)));
        driven.see(&request);
        class
    };
    trace.requests(0..trace.len()).map(class).collect()
}

/// A class's number.
pub(crate) fn number(class: forecast::Class) -> Class {
    forecast::Class::ALL.iter().position(|other| *other == class).map_or(0, |place| place as Class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::replay::setting::Room;

    #[test]
    fn the_names_are_the_engines() {
        assert_eq!(forecast::Class::ALL.map(forecast::Class::name), NAMES);
    }

    #[test]
    fn the_hottest_are_popular_until_they_cool() {
        let setting = Setting::of(1200, Room::Unlimited);
        let mut requests: Vec<(u64, u32)> = (0..100).map(|key| (u64::from(key), key)).collect();
        requests.extend((0..50).map(|n| (200 + n, 3)));
        requests.push((1_400, 3));
        requests.push((1_401, 4));
        requests.extend((0..200).map(|n| (30_000 + n, 4)));
        requests.push((31_400, 3));
        requests.push((31_401, 4));
        let found = classes(&Trace::of(&requests), &setting);
        let name = |at: usize| NAMES[usize::from(found[at])];
        assert_eq!((name(0), name(50)), ("unknown", "unknown"));
        assert_eq!(name(150), "popular");
        assert_ne!(name(151), "popular");
        let last = requests.len() - 1;
        assert_eq!(name(last), "popular");
        assert_ne!(name(last - 1), "popular");
    }
}
