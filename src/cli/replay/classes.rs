//! The class of every request, the same for all policies, so that their figures can be compared class by class.
//!
//! Today's rule: a request is *popular* if its key is among the hottest 1 % (`--hot-percent`) of the keys seen so far (see
//! [`Heat`]); else *normal*.

use super::heat::Heat;
use super::setting::Setting;
use super::trace::Trace;

/// A class's number: its place in [`NAMES`].
pub(crate) type Class = u8;

/// The classes' names.
pub(crate) const NAMES: &[&str] = &["normal", "popular"];

/// The class of each request.
pub(crate) fn classes(trace: &Trace, setting: &Setting) -> Vec<Class> {
    let mut heat = Heat::new(trace.distinct(), setting.window_ms, setting.hot_share, trace.span().0);
    let class = |request: super::trace::Request| {
        heat.advance(request.ts_ms);
        let class = if heat.is_hot(request.key) { POPULAR } else { NORMAL };
        heat.count(request.key);
        class
    };
    trace.requests(0..trace.len()).map(class).collect()
}

const NORMAL: Class = 0;
const POPULAR: Class = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::replay::setting::Room;

    #[test]
    fn the_hottest_are_popular_until_they_cool() {
        let setting = Setting { hot_share: 0.1, ..Setting::of(1200, Room::Unlimited) };
        let mut requests: Vec<(u64, u32)> = (0..10).map(|key| (u64::from(key), key)).collect();
        requests.extend((0..50).map(|n| (20 + n, 3)));
        requests.extend([(200, 3), (201, 4)]);
        requests.extend((0..20).map(|n| (9_000 + n, 4)));
        requests.extend([(9_200, 3), (9_201, 4)]);
        let found = classes(&Trace::of(&requests), &setting);
        assert_eq!(found[..10], [NORMAL; 10]);
        assert_eq!(found[60..62], [POPULAR, NORMAL]);
        assert_eq!(found[82..], [NORMAL, POPULAR]);
    }
}
