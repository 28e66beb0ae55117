use std::time::Duration;

use proptest::prelude::*;

use super::*;

const DB: Db = Db(0);

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn flights() -> Flights<u32> {
    Flights::new(4, 6, 9)
}

fn started(begun: Begun) -> Token {
    match begun {
        Begun::Started(token) => token,
        other => panic!("{other:?}"),
    }
}

fn start(flights: &mut Flights<u32>, name: &[u8]) -> Token {
    started(flights.begin(Key::new(DB, name), Owner::Loader { fetch: 1 }))
}

#[test]
fn a_crowd_shares_one_flight_and_is_released_in_order() {
    let mut flights = flights();
    let token = start(&mut flights, b"k");
    assert!(
        matches!(flights.begin(Key::new(DB, b"k"), Owner::Loader { fetch: 2 }), Begun::Joined(s) if s.token == token)
    );
    for n in 0..6 {
        flights.wait(DB, b"k", n, None).unwrap();
    }
    assert_eq!(flights.wait(DB, b"k", 6, None), Err(Refused::Full(6)));
    assert_eq!(flights.wait(DB, b"other", 7, None), Err(Refused::NotInFlight(7)));
    let mut landed = flights.land(DB, b"k", token).unwrap();
    assert!(flights.is_empty());
    assert_eq!(flights.waiting(), 6);
    let released: Vec<u32> = std::iter::from_fn(|| flights.next_waiter(&mut landed)).collect();
    assert_eq!(released, [0, 1, 2, 3, 4, 5]);
    assert_eq!((flights.waiting(), landed.state.voided), (0, None));
}

#[test]
fn a_write_voids_the_lease_and_the_first_reason_stays() {
    let mut flights = flights();
    assert!(!flights.void(DB, b"k", Void::Written));
    let token = start(&mut flights, b"k");
    let spared = started(flights.begin(Key::new(Db(1), b"k"), Owner::Loader { fetch: 2 }));
    assert!(flights.void(DB, b"k", Void::Written));
    assert_eq!(flights.void_all(Scope::One(DB)), 1);
    assert_eq!(flights.land(DB, b"k", token).unwrap().state.voided, Some(Void::Written));
    assert_eq!(flights.land(Db(1), b"k", spared).unwrap().state.voided, None);
}

#[test]
fn a_flight_that_began_anew_ignores_the_old_outcome() {
    let mut flights = flights();
    let old = start(&mut flights, b"k");
    flights.wait(DB, b"k", 1, None).unwrap();
    flights.void(DB, b"k", Void::Outdated);
    let new = flights.restart(DB, b"k", old, Owner::Loader { fetch: 2 }).unwrap();
    assert!(flights.land(DB, b"k", old).is_none());
    let mut landed = flights.land(DB, b"k", new).unwrap();
    assert_eq!((landed.state.voided, landed.state.restarts), (None, 1));
    assert_eq!(flights.next_waiter(&mut landed), Some(1));
}

#[test]
fn only_the_lease_holder_fills_in_time_and_unless_written() {
    let mut flights = flights();
    let token = started(flights.begin(Key::new(DB, b"k"), Owner::Client { expires: at(100) }));
    assert!(flights.may_fill(at(99), DB, b"k", token));
    assert!(!flights.may_fill(at(100), DB, b"k", token));
    assert!(!flights.may_fill(at(1), DB, b"k", Token::from_u64(token.as_u64() ^ 1)));
    flights.void(DB, b"k", Void::Written);
    assert!(!flights.may_fill(at(1), DB, b"k", token));
    let fetched = start(&mut flights, b"l");
    assert!(!flights.may_fill(at(1), DB, b"l", fetched), "a loader's flight is nobody's lease");
}

#[test]
fn an_expired_lease_is_reported_once_and_can_be_handed_to_a_loader() {
    let mut flights = flights();
    let token = started(flights.begin(Key::new(DB, b"k"), Owner::Client { expires: at(100) }));
    flights.wait(DB, b"k", 5, Some(at(200))).unwrap();
    assert_eq!(flights.next_deadline(), Some(at(100)));
    assert!(flights.next_expired(at(99)).is_none());
    assert!(matches!(flights.next_expired(at(150)), Some(Expired::Lease { token: t, .. }) if t == token));
    assert!(flights.next_expired(at(150)).is_none());
    flights.restart(DB, b"k", token, Owner::Loader { fetch: 3 }).unwrap();
    assert!(matches!(flights.next_expired(at(200)), Some(Expired::Waiter { waiter: 5, .. })));
    assert_eq!((flights.len(), flights.waiting(), flights.next_deadline()), (1, 0, None));
}

#[test]
fn an_abandoned_flight_is_void_only_if_nobody_else_wants_it() {
    let order = |n| OrderId(std::num::NonZeroU64::new(n).unwrap());
    let mut flights = flights();
    start(&mut flights, b"k");
    assert!(flights.join_order(DB, b"k", order(1)) && flights.join_order(DB, b"k", order(2)));
    assert!(!flights.join_order(DB, b"x", order(1)));
    assert_eq!(flights.abandon(DB, b"k", order(3)), Abandoned::NotInFlight);
    assert_eq!(flights.abandon(DB, b"k", order(1)), Abandoned::StillWanted);
    let ticket = flights.wait(DB, b"k", 1, None).unwrap();
    assert_eq!(flights.abandon(DB, b"k", order(2)), Abandoned::StillWanted);
    assert_eq!(flights.leave(ticket), Some(1));
    flights.join_order(DB, b"k", order(4));
    assert_eq!(flights.abandon(DB, b"k", order(4)), Abandoned::Void);
    assert_eq!(flights.state(DB, b"k").unwrap().voided, Some(Void::Abandoned));
    let lease = Owner::Client { expires: at(9) };
    started(flights.begin(Key::new(DB, b"leased"), lease));
    flights.join_order(DB, b"leased", order(5));
    assert_eq!(flights.abandon(DB, b"leased", order(5)), Abandoned::StillWanted, "its client wants it");
}

#[test]
fn a_waiter_of_a_landed_flight_neither_expires_nor_leaves() {
    let mut flights = flights();
    let token = start(&mut flights, b"k");
    let ticket = flights.wait(DB, b"k", 1, Some(at(10))).unwrap();
    let mut landed = flights.land(DB, b"k", token).unwrap();
    start(&mut flights, b"l");
    assert!(flights.next_expired(at(20)).is_none());
    assert_eq!(flights.leave(ticket), None);
    assert_eq!(flights.next_waiter(&mut landed), Some(1));
    assert_eq!(flights.next_waiter(&mut landed), None);
}

#[test]
fn tokens_differ_and_depend_on_the_seed() {
    let draw = |seed| {
        let mut tokens = Tokens::new(seed);
        (0..10_000).map(|_| tokens.draw()).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(draw(1).len(), 10_000);
    assert_eq!(draw(1).intersection(&draw(2)).count(), 0);
}

#[derive(Clone, Debug)]
enum Act {
    Begin(u8, Option<u64>),
    Wait(u8, Option<u64>),
    Leave(usize),
    Void(u8),
    VoidDb(u32),
    Restart(u8),
    Land(u8),
    Expire(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let soon = || prop::option::of(0..20u64);
    prop_oneof![
        3 => (0..6u8, soon()).prop_map(|(k, t)| Act::Begin(k, t)),
        4 => (0..6u8, soon()).prop_map(|(k, t)| Act::Wait(k, t)),
        1 => any::<usize>().prop_map(Act::Leave),
        1 => (0..6u8).prop_map(Act::Void),
        1 => (0..2u32).prop_map(Act::VoidDb),
        1 => (0..6u8).prop_map(Act::Restart),
        2 => (0..6u8).prop_map(Act::Land),
        1 => (0..8u64).prop_map(Act::Expire),
    ]
}

/// A flight of the model: token, owner's deadline, void, waiters with their deadlines.
#[derive(Clone, Debug)]
struct Modelled {
    token: Token,
    lease: Option<u64>,
    voided: bool,
    waiters: Vec<(u32, Option<u64>)>,
}

fn key(k: u8) -> Key {
    Key::new(Db(u32::from(k % 2)), &[k])
}

proptest! {
    /// The table does what a map of lists does that is searched from end to end.
    #[test]
    fn agrees_with_a_plain_map(acts in prop::collection::vec(act(), 0..150)) {
        let mut flights = flights();
        let mut model: BTreeMap<u8, Modelled> = BTreeMap::new();
        let mut tickets: Vec<(Ticket, u8, u32)> = Vec::new();
        let (mut now, mut next) = (0u64, 0u32);
        for act in acts {
            match act {
                Act::Begin(k, lease) => {
                    let expires = lease.map(|t| now + t);
                    let owner = expires.map_or(Owner::Loader { fetch: 0 }, |t| Owner::Client { expires: at(t) });
                    match flights.begin(key(k), owner) {
                        Begun::Started(token) => {
                            prop_assert!(model.len() < 4);
                            let flight = Modelled { token, lease: expires, voided: false, waiters: Vec::new() };
                            prop_assert!(model.insert(k, flight).is_none());
                        }
                        Begun::Joined(state) => {
                            prop_assert_eq!(state.token, model[&k].token);
                            prop_assert_eq!(state.voided.is_some(), model[&k].voided);
                        }
                        Begun::Full => prop_assert!(model.len() == 4 && !model.contains_key(&k)),
                    }
                }
                Act::Wait(k, span) => {
                    next += 1;
                    let deadline = span.map(|t| now + t);
                    let all: usize = model.values().map(|f| f.waiters.len()).sum();
                    match flights.wait(key(k).db(), key(k).name(), next, deadline.map(at)) {
                        Ok(ticket) => {
                            prop_assert!(all < 6);
                            model.get_mut(&k).unwrap().waiters.push((next, deadline));
                            tickets.push((ticket, k, next));
                        }
                        Err(Refused::NotInFlight(_)) => prop_assert!(!model.contains_key(&k)),
                        Err(Refused::Full(_)) => prop_assert_eq!(all, 6),
                    }
                }
                Act::Leave(n) if !tickets.is_empty() => {
                    let (ticket, k, who) = tickets[n % tickets.len()];
                    let place = model.get(&k).and_then(|f| f.waiters.iter().position(|w| w.0 == who));
                    prop_assert_eq!(flights.leave(ticket), place.map(|_| who));
                    if let Some(place) = place {
                        model.get_mut(&k).unwrap().waiters.remove(place);
                    }
                }
                Act::Leave(_) => {}
                Act::Void(k) => {
                    prop_assert_eq!(flights.void(key(k).db(), key(k).name(), Void::Written), model.contains_key(&k));
                    model.entry(k).and_modify(|f| f.voided = true);
                }
                Act::VoidDb(db) => {
                    let hit = model.iter_mut().filter(|(k, _)| key(**k).db() == Db(db));
                    let count = hit.map(|(_, f)| f.voided = true).count();
                    prop_assert_eq!(flights.void_all(Scope::One(Db(db))), count);
                }
                Act::Restart(k) => {
                    if let Some(flight) = model.get_mut(&k) {
                        let owner = Owner::Loader { fetch: 1 };
                        let token = flights.restart(key(k).db(), key(k).name(), flight.token, owner).unwrap();
                        prop_assert_ne!(token, flight.token);
                        (flight.token, flight.lease, flight.voided) = (token, None, false);
                    }
                }
                Act::Land(k) => {
                    if let Some(flight) = model.remove(&k) {
                        let mut landed = flights.land(key(k).db(), key(k).name(), flight.token).unwrap();
                        prop_assert_eq!(landed.state.voided.is_some(), flight.voided);
                        let released: Vec<u32> = std::iter::from_fn(|| flights.next_waiter(&mut landed)).collect();
                        prop_assert_eq!(released, flight.waiters.iter().map(|w| w.0).collect::<Vec<_>>());
                    }
                }
                Act::Expire(span) => {
                    now += span;
                    let mut expired: Vec<u64> = Vec::new();
                    while let Some(next) = flights.next_expired(at(now)) {
                        expired.push(match next {
                            Expired::Waiter { waiter, .. } => u64::from(waiter),
                            Expired::Lease { token, .. } => token.as_u64(),
                        });
                    }
                    let mut due: Vec<u64> = Vec::new();
                    for flight in model.values_mut() {
                        due.extend(flight.lease.take_if(|t| *t <= now).map(|_| flight.token.as_u64()));
                        let (gone, stay) = flight.waiters.iter().partition(|w| w.1.is_some_and(|t| t <= now));
                        flight.waiters = stay;
                        let gone: Vec<(u32, Option<u64>)> = gone;
                        due.extend(gone.iter().map(|w| u64::from(w.0)));
                    }
                    expired.sort_unstable();
                    due.sort_unstable();
                    prop_assert_eq!(expired, due);
                }
            }
            let deadlines = model.values().flat_map(|f| f.waiters.iter().filter_map(|w| w.1).chain(f.lease));
            prop_assert_eq!(flights.next_deadline(), deadlines.min().map(at));
            prop_assert_eq!(flights.len(), model.len());
            prop_assert_eq!(flights.waiting() as usize, model.values().map(|f| f.waiters.len()).sum::<usize>());
            flights.table.validate();
        }
    }
}

#[test]
fn releasing_ten_thousand_waiters_keeps_no_deadline() {
    let mut flights: Flights<u32> = Flights::new(1, 10_000, 0);
    let token = start(&mut flights, b"k");
    for n in 0..10_000 {
        flights.wait(DB, b"k", n, Some(at(1).after(Duration::from_secs(5)))).unwrap();
    }
    let mut landed = flights.land(DB, b"k", token).unwrap();
    while flights.next_waiter(&mut landed).is_some() {}
    assert_eq!((landed.waiters(), flights.next_deadline()), (0, None));
}
