//! `cargo bench --no-default-features --bench model`: what models cost by themselves. A name is a path; times are the
//! least and the median of several runs, on synthetic samples of 25 features whose labels depend on sums and on products.
#![expect(clippy::unwrap_used, reason = "a benchmark may fail")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use redis_warm::engine::foresight::model::boosted::{Boosted, BoostedSettings, Start};
use redis_warm::engine::foresight::model::calibration::{Calibration, Outcomes};
use redis_warm::engine::foresight::model::envelope::{decode, encode};
use redis_warm::engine::foresight::model::linear::{Linear, LinearSettings};
use redis_warm::engine::foresight::model::objective::Objective;
use redis_warm::engine::foresight::model::predictor::Predictor;
use redis_warm::engine::foresight::model::quality::Report;
use redis_warm::engine::foresight::model::samples::Samples;
use redis_warm::engine::foresight::model::selection::{Baseline, SelectionSettings, fit_best};
use redis_warm::engine::foresight::model::{Fitted, Model};

const FEATURES: usize = 25;
const ROWS: u32 = 30_000;
const SCORES: u32 = 100_000;
/// Rows that are scored in turn: they stay in the cache, as rows do that were made a moment before.
const NEAR: usize = 500;
const OBJECTIVES: [(Objective, &str); 2] = [(Objective::Logistic, "logistic"), (Objective::Poisson, "poisson")];

fn main() {
    for (objective, name) in OBJECTIVES {
        let (samples, later) = (samples(ROWS, objective, 1), samples(ROWS / 5, objective, 2));
        let linear = each(&format!("model/linear/{name}/fit/30000x25"), 7, 1, || {
            Linear::fit(samples.all(), objective, &LinearSettings::default()).unwrap()
        });
        scores(&format!("model/linear/{name}/score"), &linear, &samples);
        for (trees, depth) in [(60, 4), (60, 6), (100, 4), (100, 6)] {
            for start in [Start::Constant, Start::Linear] {
                let suited = BoostedSettings::suited(objective);
                let settings = BoostedSettings { trees, depth, start, patience: trees, ..suited };
                let path = format!("model/boosted/{name}/{start:?}/{trees}x{depth}");
                // Without later samples no tree is cut off.
                let boosted = each(&format!("{path}/fit/30000x25"), 5, 1, || {
                    Boosted::fit(samples.all(), Samples::new(FEATURES, 0).all(), objective, &settings).unwrap()
                });
                scores(&format!("{path}/score"), &boosted, &samples);
                println!("{path:<58} {} bytes, loss {:.4}", boosted.bytes(), loss(&boosted, &later));
            }
        }
        println!("{:<58} loss {:.4}", format!("model/linear/{name}"), loss(&linear, &later));
        let names: Vec<String> = (0..FEATURES).map(|feature| format!("feature {feature}")).collect();
        let candidate = each(&format!("model/selection/{name}/30000x25"), 5, 1, || {
            let settings = SelectionSettings::suited(objective, 0, 1);
            fit_best(&samples, &names, objective, Baseline::Feature(0), &settings).unwrap()
        });
        let predictor = candidate.predictor;
        each_score(&format!("model/predictor/{name}/score"), &samples, |row| predictor.score(row));
        let bytes = each(&format!("model/envelope/{name}/encode"), 9, 1, || encode(&predictor).unwrap());
        each(&format!("model/envelope/{name}/decode"), 9, 1, || decode::<Predictor>(&bytes).unwrap());
        println!("{:<58} {} bytes", format!("model/envelope/{name}"), bytes.len());
        let margins: Vec<f64> = samples.all().rows().map(|row| linear.margin(row)).collect();
        each(&format!("model/calibration/{name}/fit/30000"), 5, 1, || {
            Calibration::fit(objective, Outcomes::new(&margins, samples.all().labels(), &[]))
        });
        let fitted = Fitted::Linear(linear);
        let all: Vec<f64> = samples.all().rows().map(|row| fitted.score(row)).collect();
        each(&format!("model/quality/{name}/report/30000"), 5, 1, || Report::of(&all, samples.all().labels()));
    }
}

/// Rows of features of about normal size; labels follow a margin that a line knows in part.
fn samples(rows: u32, objective: Objective, seed: u64) -> Samples {
    let mut state = seed;
    let mut unit = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut samples = Samples::new(FEATURES, rows as usize);
    for time in 0..rows {
        let row: Vec<f32> = (0..FEATURES).map(|_| ((unit() + unit() + unit()) * 2.0 - 3.0) as f32).collect();
        let margin = 0.8 * row[0] - 0.5 * row[1] + 0.6 * row[2] * row[3] + if row[4] > 0.5 { 0.7 } else { 0.0 } - 1.0;
        let natural = objective.natural(f64::from(margin));
        let label = match objective {
            Objective::Logistic => f32::from(u8::from(unit() < natural)),
            Objective::Poisson => {
                let (mut count, mut product, end) = (0_u8, unit(), (-natural).exp());
                while product > end && count < u8::MAX {
                    product *= unit();
                    count += 1;
                }
                f32::from(count)
            }
        };
        samples.push(&row, label, u64::from(time)).unwrap();
    }
    samples
}

fn loss(model: &impl Model, samples: &Samples) -> f64 {
    let rows = samples.all().rows().zip(samples.all().labels());
    let losses = rows.map(|(row, label)| model.objective().loss(model.margin(row), f64::from(*label)));
    losses.sum::<f64>() / samples.len() as f64
}

fn scores(name: &str, model: &impl Model, samples: &Samples) {
    each_score(name, samples, |row| model.score(row));
}

fn each_score(name: &str, samples: &Samples, score: impl Fn(&[f32]) -> f64) {
    let rows: Vec<&[f32]> = samples.all().rows().collect();
    each(name, 9, SCORES, || (0..SCORES as usize).map(|n| score(black_box(rows[n % NEAR]))).sum::<f64>());
}

/// Prints the least and the median time of `runs` runs, divided by `parts`; the last result.
fn each<T>(name: &str, runs: usize, parts: u32, run: impl Fn() -> T) -> T {
    let mut times = Vec::new();
    let mut last = black_box(run());
    for _ in 0..runs {
        let start = Instant::now();
        last = black_box(run());
        times.push(start.elapsed() / parts);
    }
    times.sort();
    let (least, median): (Duration, Duration) = (times[0], times[times.len() / 2]);
    println!("{name:<58} {least:>12.3?} {median:>12.3?}");
    last
}
