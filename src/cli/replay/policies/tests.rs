//! What holds of every policy, on small random traces.

use proptest::prelude::*;

use super::{Choice, Lab};
use crate::cli::replay::future::Future;
use crate::cli::replay::setting::{Room, Setting};
use crate::cli::replay::tally::{Tally, replay};
use crate::cli::replay::trace::Trace;

fn tally(trace: &Trace, setting: &Setting, choice: Choice) -> Tally {
    // Which class a request has decides nothing here.
    let (classes, future) = (vec![0; trace.len()], Future::new(trace));
    let lab = Lab { trace, classes: &classes, setting, future: &future };
    replay(trace, &classes, setting.report_from, trace.len(), &mut *choice.build(lab).policy)
}

fn traces() -> impl Strategy<Value = Trace> {
    prop::collection::vec((0_u64..6, 0_u32..10), 1..200).prop_map(|steps| {
        let mut time = 0;
        let request = |(wait, key): (u64, u32)| {
            time += wait;
            // Low keys are hotter.
            (time, if wait % 2 == 0 { key } else { key / 4 })
        };
        Trace::of(&steps.into_iter().map(request).collect::<Vec<_>>())
    })
}

fn rooms() -> impl Strategy<Value = Room> {
    prop_oneof![Just(Room::Unlimited), (1_u64..8).prop_map(Room::Keys)]
}

proptest! {
    #[test]
    fn what_is_counted_adds_up(trace in traces(), ttl in 1_u64..100, room in rooms(), part in 0.0..1.0) {
        let report_from = (trace.len() as f64 * part) as usize;
        let setting = Setting { train_until: report_from, report_from, ..Setting::of(ttl, room) };
        for &choice in Choice::ALL {
            let found = tally(&trace, &setting, choice);
            let overall = found.overall();
            prop_assert_eq!(overall.requests, (trace.len() - report_from) as u64);
            prop_assert_eq!(overall.hits + found.misses.total(), overall.requests);
            let origin = found.origin;
            prop_assert_eq!(origin.demand, found.misses.total(), "{}", choice);
            if report_from == 0 {
                prop_assert!(origin.refresh_read + origin.refresh_wasted <= origin.refresh);
                prop_assert!(origin.warm_read + origin.warm_wasted <= origin.warm);
            }
            if room == Room::Unlimited {
                prop_assert_eq!(found.misses.evicted, 0);
            }
        }
    }

    #[test]
    fn without_limits_nothing_serves_more_than_the_clairvoyant(trace in traces(), ttl in 1_u64..100) {
        let setting = Setting::of(ttl, Room::Unlimited);
        let bound = tally(&trace, &setting, Choice::Clairvoyant);
        prop_assert_eq!(bound.misses.total(), bound.misses.first_ever);
        for &choice in Choice::ALL {
            prop_assert!(tally(&trace, &setting, choice).overall().hits <= bound.overall().hits, "{}", choice);
        }
    }

    #[test]
    fn a_clairvoyant_that_refreshes_misses_nothing_that_one_refresh_saves(trace in traces(), ttl in 1_u64..100) {
        let setting = Setting::of(ttl, Room::Unlimited);
        let found = tally(&trace, &setting, Choice::ClairvoyantRefresh);
        prop_assert_eq!(found.misses.expired_recently, 0);
        prop_assert_eq!(found.origin.refresh_wasted, 0);
        prop_assert!(found.overall().hits >= tally(&trace, &setting, Choice::Lru).overall().hits);
    }

    #[test]
    fn no_order_of_eviction_beats_belady(trace in traces(), room in 1_u64..8) {
        let setting = Setting::of(u64::MAX, Room::Keys(room));
        let bound = tally(&trace, &setting, Choice::Belady).overall().hits;
        for choice in [Choice::Lru, Choice::Lfu, Choice::Sieve, Choice::S3Fifo] {
            prop_assert!(tally(&trace, &setting, choice).overall().hits <= bound, "{}", choice);
        }
    }

    #[test]
    fn tuned_references_stay_within_the_budget(trace in traces(), ttl in 1_u64..100) {
        let setting = Setting { train_until: trace.len() / 2, report_from: trace.len() / 2, ..Setting::of(ttl, Room::Unlimited) };
        let baseline = tally(&trace, &setting, Choice::Lru);
        let load = tally(&trace, &setting, Choice::Counter(None)).load(&baseline);
        prop_assert!(load.is_none_or(|load| load <= setting.budget), "{:?}", load);
    }
}

#[test]
fn misses_are_told_apart_by_what_would_have_helped() {
    // Key 0 from 0 to 10; again at 15 (recently), at 40 (long ago); key 1 pushes it out before 45.
    let trace = Trace::of(&[(0, 0), (15, 0), (40, 0), (42, 1), (45, 0)]);
    let found = tally(&trace, &Setting::of(10, Room::Keys(1)), Choice::Lru).misses;
    let parts = (found.first_ever, found.evicted, found.expired_recently, found.expired_long_ago);
    assert_eq!(parts, (2, 1, 1, 1));
}

#[test]
fn every_name_is_read_back() {
    for choice in Choice::ALL {
        assert_eq!(choice.to_string().parse(), Ok(*choice));
    }
    assert_eq!("counter:4h".parse::<Choice>().unwrap().to_string(), "counter:4h");
    assert!("lur".parse::<Choice>().unwrap_err().contains("none of lru, lfu"));
    assert!("counter:".parse::<Choice>().is_err());
}
