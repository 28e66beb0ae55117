use proptest::prelude::*;

use super::*;
use crate::engine::foresight::model::boosted::{Boosted, BoostedSettings};
use crate::engine::foresight::model::calibration::{Calibration, Outcomes};
use crate::engine::foresight::model::linear::Linear;
use crate::engine::foresight::model::objective::Objective;
use crate::engine::foresight::model::predictor::Predictor;
use crate::engine::foresight::model::samples::Samples;
use crate::engine::foresight::model::{Fitted, Kind, Model};

/// Written by version 1 and never to be written again.
const LINEAR_V1: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/model_v1_linear.bin"));
const BOOSTED_V1: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/model_v1_boosted.bin"));

fn samples() -> Samples {
    let mut samples = Samples::new(2, 1000);
    for n in 0..600_u16 {
        let row = [f32::from(n % 23) - 11.0, f32::from(n % 7) - 3.0];
        samples.push(&row, f32::from(u8::from(row[0] * row[1] > 4.0 || n % 11 == 0)), u64::from(n)).unwrap();
    }
    samples
}

fn predictor(kind: Kind) -> Predictor {
    let samples = samples();
    let fitted = match kind {
        Kind::Linear => Fitted::Linear(Linear::fit(samples.all(), Objective::Logistic, &Default::default()).unwrap()),
        Kind::Boosted => {
            let settings = BoostedSettings { trees: 6, depth: 3, ..BoostedSettings::suited(Objective::Logistic) };
            Fitted::Boosted(Boosted::fit(samples.all(), samples.all(), Objective::Logistic, &settings).unwrap())
        }
    };
    let margins: Vec<f64> = samples.all().rows().map(|row| fitted.margin(row)).collect();
    let calibration = Calibration::fit(Objective::Logistic, Outcomes::new(&margins, samples.all().labels(), &[]));
    Predictor::new(vec!["one".into(), "two".into()], fitted, calibration).unwrap()
}

/// Of any payload, with a right checksum: what a forger would send.
fn forged(payload: &[u8]) -> Vec<u8> {
    let mut bytes = [&MAGIC[..], &VERSION.to_le_bytes(), &(payload.len() as u32).to_le_bytes(), payload].concat();
    bytes.extend_from_slice(&xxh3_64(&bytes).to_le_bytes());
    bytes
}

#[test]
fn what_is_encoded_comes_back() {
    for kind in [Kind::Linear, Kind::Boosted] {
        let predictor = predictor(kind);
        let bytes = encode(&predictor).unwrap();
        assert_eq!(decode::<Predictor>(&bytes).unwrap(), predictor);
    }
}

#[test]
fn version_one_is_read() {
    for (bytes, kind, expected) in
        [(LINEAR_V1, Kind::Linear, EXPECTED_LINEAR), (BOOSTED_V1, Kind::Boosted, EXPECTED_BOOSTED)]
    {
        let predictor: Predictor = decode(bytes).unwrap();
        assert_eq!((predictor.kind(), predictor.objective()), (kind, Objective::Logistic));
        assert_eq!(predictor.names(), ["one", "two"]);
        for (row, score) in [[5.0, 2.0], [-5.0, 2.0], [f32::NAN, 0.0]].iter().zip(expected) {
            assert!((predictor.score(row) - score).abs() < 1e-9, "{kind:?} {row:?} {}", predictor.score(row));
        }
        assert_eq!(encode(&predictor).unwrap(), bytes, "what is written has changed: it needs a new version");
    }
}

const EXPECTED_LINEAR: [f64; 3] = [0.837_075_665_252, 0.314_975_878_336, 0.295_381_374_530];
const EXPECTED_BOOSTED: [f64; 3] = [0.946_041_828_862, 0.029_327_843_332, 0.102_348_875_697];

#[test]
fn any_change_of_one_bit_is_refused() {
    for bytes in [LINEAR_V1, BOOSTED_V1] {
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Predictor>(&flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn any_other_length_is_refused() {
    for length in 0..LINEAR_V1.len() {
        assert!(
            matches!(decode::<Predictor>(&LINEAR_V1[..length]), Err(DecodeError::Length { found, .. }) if found == length)
        );
    }
    let longer = [LINEAR_V1, &[0]].concat();
    assert!(matches!(decode::<Predictor>(&longer), Err(DecodeError::Length { .. })));
}

#[test]
fn refusals_say_why() {
    let with = |at: usize, value: &[u8]| {
        let mut bytes = LINEAR_V1.to_vec();
        bytes[at..at + value.len()].copy_from_slice(value);
        decode::<Predictor>(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b"X"), DecodeError::Foreign);
    assert_eq!(with(7, &[2, 0]), DecodeError::Newer { found: 2, known: 1 });
    assert_eq!(with(7, &[0, 0]), DecodeError::Unknown { found: 0 });
    assert!(matches!(with(9, &[255; 4]), DecodeError::TooLarge { .. }));
    assert_eq!(with(20, &[99]), DecodeError::Checksum);
    assert_eq!(with(7, &[2, 0]).to_string(), "stored in version 2, the newest that is known is 1");
    assert!(matches!(decode::<Predictor>(&forged(&[])), Err(DecodeError::Form(_))));
    let payload = payload(LINEAR_V1).unwrap();
    assert!(matches!(decode::<Predictor>(&forged(&[payload, &[0]].concat())), Err(DecodeError::Length { .. })));
    assert!(matches!(encode(&vec![0_u8; MAX_BYTES]), Err(EncodeError::TooLarge { .. })));
}

#[test]
fn announced_lengths_take_no_memory() {
    // Names: as many as a u64 can say.
    let decoded = decode::<Predictor>(&forged(&[255; 8]));
    assert!(matches!(decoded, Err(DecodeError::Form(_))), "{decoded:?}");
    // One name, as long as the limit.
    let one = [&1_u64.to_le_bytes()[..], &(MAX_BYTES as u64).to_le_bytes()].concat();
    assert!(matches!(decode::<Predictor>(&forged(&one)), Err(DecodeError::Form(_))));
}

proptest! {
    #[test]
    fn no_bytes_end_the_program(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode::<Predictor>(&bytes).is_err());
        let _ = decode::<Predictor>(&forged(&bytes));
    }

    #[test]
    fn what_a_forger_changes_is_refused_or_harmless(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        boosted in any::<bool>(),
        row in proptest::collection::vec(any::<u32>(), 0..4),
    ) {
        let mut payload = payload(if boosted { BOOSTED_V1 } else { LINEAR_V1 }).unwrap().to_vec();
        for (at, value) in changes {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        if let Ok(predictor) = decode::<Predictor>(&forged(&payload)) {
            let row: Vec<f32> = row.iter().map(|bits| f32::from_bits(*bits)).collect();
            prop_assert!(predictor.margin(&row).is_finite() && predictor.score(&row).is_finite());
        }
    }
}
