//! The laws of the ring.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// What was seen, owned.
#[derive(Clone, PartialEq, Debug)]
enum Owned {
    Read(u32, Option<u64>),
    Told(u32, Option<Vec<u8>>, Option<Vec<u8>>),
    Missed,
    Written(Option<u64>, Option<u64>),
    Gone(Gone),
}

type Record = (u32, Vec<u8>, Owned);

fn seen((db, name, what): &Record) -> Seen<'_> {
    let what = match what {
        Owned::Read(count, client) => What::Read { count: *count, client: *client },
        Owned::Told(count, user, region) => {
            What::Told { count: *count, user: user.as_deref(), region: region.as_deref() }
        }
        Owned::Missed => What::Missed,
        Owned::Written(at, bytes) => What::Written { expires_at: at.map(Wall::from_millis), bytes: *bytes },
        Owned::Gone(gone) => What::Gone(*gone),
    };
    Seen { db: Db(*db), name, what }
}

fn owned(seen: Seen<'_>) -> Record {
    let what = match seen.what {
        What::Read { count, client } => Owned::Read(count, client),
        What::Told { count, user, region } => Owned::Told(count, user.map(<[u8]>::to_vec), region.map(<[u8]>::to_vec)),
        What::Missed => Owned::Missed,
        What::Written { expires_at, bytes } => Owned::Written(expires_at.map(Wall::as_millis), bytes),
        What::Gone(gone) => Owned::Gone(gone),
    };
    (seen.db.0, seen.name.to_vec(), what)
}

fn drained(reader: &mut Reader) -> Vec<Record> {
    let mut all = Vec::new();
    reader.drain(|seen| all.push(owned(seen)));
    all
}

fn read(name: &[u8]) -> Seen<'_> {
    Seen { db: Db(0), name, what: What::Read { count: 1, client: None } }
}

fn any_what() -> impl Strategy<Value = Owned> {
    let bytes = |most| prop::option::of(prop::collection::vec(any::<u8>(), 0..=most));
    prop_oneof![
        (0..7_u32, prop::option::of(1..u64::MAX)).prop_map(|(k, client)| Owned::Read(1 << k, client)),
        (any::<u32>(), bytes(LONGEST_USER), bytes(LONGEST_REGION)).prop_map(|(n, u, r)| Owned::Told(n, u, r)),
        Just(Owned::Missed),
        (prop::option::of(0..u64::MAX), any::<Option<u64>>()).prop_map(|(at, bytes)| Owned::Written(at, bytes)),
        prop::sample::select(vec![Gone::Expired, Gone::Evicted, Gone::Deleted]).prop_map(Owned::Gone),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let name = prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..60),
        // A long name of one byte: thousands of bytes at random take longer than all that is tested.
        1 => (Key::MOST_BYTES - 2..Key::MOST_BYTES + 3, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ];
    (any::<u32>(), name, any_what())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What comes out is what was kept, whole and in order; what was not kept is counted; and a record is dropped only
    /// if it would not have fitted.
    #[test]
    fn order_is_kept_and_drops_are_exact(
        steps in prop::collection::vec(prop_oneof![8 => any_record().prop_map(Some), 1 => Just(None)], 1..400),
    ) {
        let (mut writer, mut reader) = ring(0);
        let (mut kept, mut out, mut drops, mut used) = (VecDeque::new(), Vec::new(), 0, 0);
        for step in &steps {
            match step {
                Some(record) => {
                    let before = writer.ring.slots();
                    match writer.put(seen(record)) {
                        Put::Kept => {
                            used += before - writer.ring.slots();
                            kept.push_back(record.clone());
                        }
                        Put::Dropped => {
                            drops += 1;
                            let too_long = record.1.len() > Key::MOST_BYTES;
                            prop_assert!(too_long || before < LONGEST);
                            prop_assert_eq!(before, writer.ring.slots());
                        }
                    }
                    prop_assert!(used <= writer.bytes());
                }
                None => {
                    out.extend(drained(&mut reader));
                    used = 0;
                }
            }
        }
        out.extend(drained(&mut reader));
        prop_assert_eq!(writer.dropped(), drops);
        prop_assert_eq!(writer.kept(), kept.len() as u64);
        prop_assert_eq!(out, Vec::from(kept));
    }

    #[test]
    fn no_bytes_can_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Some((length, _)) = first_record(&bytes) {
            prop_assert!((HEADER..=bytes.len()).contains(&length));
        }
    }
}

#[test]
fn the_reader_is_asked_once_when_half_is_full() {
    let (mut writer, mut reader) = ring(BYTES);
    let mut asked = 0;
    while writer.put(read(b"content:1")) == Put::Kept {
        asked += u32::from(writer.wants_reader());
        assert!(asked == 0 || writer.ring.slots() < BYTES / 2, "not before half is full");
    }
    assert_eq!(asked, 1);
    assert_eq!((writer.dropped(), drained(&mut reader).len() as u64), (1, writer.kept()));
    while !writer.wants_reader() {
        writer.put(read(b"content:1"));
    }
    assert!(writer.ring.slots() < BYTES / 2);
}

#[test]
fn a_panic_does_not_bring_a_record_back() {
    let (mut writer, mut reader) = ring(BYTES);
    for name in [b"a", b"b", b"c"] {
        writer.put(read(name));
    }
    let mut met = Vec::new();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        reader.drain(|seen| {
            met.push(seen.name.to_vec());
            assert!(seen.name != b"b", "a panic on purpose");
        });
    }));
    assert!(panicked.is_err());
    met.extend(drained(&mut reader).into_iter().map(|(_, name, _)| name));
    assert_eq!(met, [b"a", b"b", b"c"]);
}

/// Two threads; what arrives is in order, whole, and together with the drops it is all there was.
#[test]
fn two_threads_lose_nothing_uncounted() {
    const RECORDS: u64 = 200_000;
    let (mut writer, mut reader) = ring(16 << 10);
    let done = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&done);
    let consumer = std::thread::spawn(move || {
        let (mut count, mut last) = (0_u64, None);
        loop {
            let over = ended.load(Ordering::Acquire);
            reader.drain(|seen| {
                let What::Read { client: Some(n), .. } = seen.what else { unreachable!("only reads were put") };
                assert!(seen.name.len() as u64 == n % 90 && seen.name.iter().all(|byte| *byte == n as u8));
                assert!(last.replace(n) < Some(n));
                count += 1;
            });
            if over {
                return count;
            }
        }
    });
    for n in 1..=RECORDS {
        let name = vec![n as u8; (n % 90) as usize];
        writer.put(Seen { db: Db(0), name: &name, what: What::Read { count: 1, client: Some(n) } });
    }
    done.store(true, Ordering::Release);
    let arrived = consumer.join().expect("the consumer's checks hold");
    assert_eq!(arrived, writer.kept());
    assert_eq!(writer.kept() + writer.dropped(), RECORDS);
}
