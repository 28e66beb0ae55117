//! The rate of one loader: a turn is taken before every request, whatever it is for.
//!
//! GCRA (governor) without bursts: turns are at least one period apart, less at most 2 ms that make up for late timers,
//! and the period is half a percent longer than asked, so that no second ever holds more requests than the rate. A turn
//! is counted in sixteenths so that a fraction of one can make up for lateness. Who waits for a turn waits in a fair
//! queue, where only the first has a timer.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// The pace of one loader.
#[derive(Debug, Default)]
pub struct Pace {
    /// Swapped when the rate changes, read before each request: never locked.
    limiter: ArcSwapOption<Limiter>,
    /// Held by the one who waits for the next turn; tokio's mutex, because it is fair and held across a sleep.
    queue: Mutex<()>,
}

#[derive(Debug)]
struct Limiter {
    rate: f64,
    clock: TokioClock,
    inner: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
}

/// Whether the first turn may be taken at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bucket {
    Ready,
    Empty,
}

impl Pace {
    /// A pace of `rate` requests a second; `None`: no limit. The first turn is free at once.
    pub fn new(rate: Option<f64>) -> Self {
        let limiter = rate.map(|rate| Arc::new(Limiter::new(rate, Bucket::Ready)));
        Pace { limiter: ArcSwapOption::new(limiter), queue: Mutex::default() }
    }

    /// Changes the rate. The same rate keeps its clock; another one begins with a whole period of waiting.
    pub fn change(&self, rate: Option<f64>) {
        let same = self.limiter.load().as_ref().map(|limiter| limiter.rate) == rate;
        if !same {
            self.limiter.store(rate.map(|rate| Arc::new(Limiter::new(rate, Bucket::Empty))));
        }
    }

    /// Returns when the next request may be sent.
    pub async fn turn(&self) {
        if self.limiter.load().is_none() {
            return;
        }
        let _first = self.queue.lock().await;
        while let Some(wait) = self.limiter.load_full().and_then(|limiter| limiter.wait()) {
            sleep(wait.min(GLANCE)).await;
        }
    }
}

impl Limiter {
    fn new(rate: f64, bucket: Bucket) -> Self {
        let period = Duration::from_secs_f64(1.005 / rate);
        let cell = (period / TURN.get()).max(Duration::from_nanos(1));
        let slack = u32::try_from(SLACK.as_nanos() / cell.as_nanos()).unwrap_or(u32::MAX / 2);
        let burst = TURN.saturating_add(slack);
        let clock = TokioClock { origin: Instant::now() };
        let quota = Quota::with_period(cell).unwrap_or(Quota::per_second(TURN)).allow_burst(burst);
        let inner = RateLimiter::direct_with_clock(quota, clock.clone());
        let spent = match bucket {
            Bucket::Ready => NonZeroU32::new(slack),
            Bucket::Empty => Some(burst),
        };
        // What a new limiter has is all there: taking it cannot fail.
        let _ = spent.map(|cells| inner.check_n(cells));
        Limiter { rate, clock, inner }
    }

    /// Takes a turn, or says how long to wait for one.
    fn wait(&self) -> Option<Duration> {
        match self.inner.check_n(TURN) {
            Ok(Err(until)) => Some(until.wait_time_from(self.clock.now()).max(Duration::from_micros(1))),
            Ok(Ok(())) | Err(_) => None,
        }
    }
}

/// The runtime's clock, so that tests can advance it.
#[derive(Clone, Debug)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.origin.elapsed())
    }
}

/// The cells of one turn.
const TURN: NonZeroU32 = NonZeroU32::new(16).expect("16 is not zero");

/// How much lateness is made up for: the resolution of tokio's timers and a little.
const SLACK: Duration = Duration::from_millis(2);

/// The longest sleep, so that a changed rate is noticed.
const GLANCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    async fn turns(pace: &Pace, span: Duration) -> Vec<Instant> {
        let end = Instant::now() + span;
        let mut taken = Vec::new();
        while tokio::time::timeout_at(end, pace.turn()).await.is_ok() {
            taken.push(Instant::now());
        }
        taken
    }

    fn most_in_a_second(taken: &[Instant]) -> usize {
        let second = Duration::from_secs(1);
        let within = |from: &Instant| taken.iter().filter(|at| **at >= *from && **at - *from < second).count();
        taken.iter().map(within).max().unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_rate_and_most_of_it_is_used() {
        for rate in [2.0, 50.0, 400.0, 3000.0] {
            let taken = turns(&Pace::new(Some(rate)), Duration::from_secs(5)).await;
            let most = most_in_a_second(&taken);
            assert!(most as f64 <= rate, "{most} in a second at {rate}");
            assert!(taken.len() as f64 >= rate * 5.0 * 0.9, "{} in 5 s at {rate}", taken.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_rate_begins_empty_and_the_same_rate_changes_nothing() {
        let pace = Pace::new(Some(10.0));
        let started = Instant::now();
        pace.turn().await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        pace.change(Some(10.0));
        pace.turn().await;
        assert!((100..105).contains(&started.elapsed().as_millis()));
        for _ in 0..5 {
            let changed = Instant::now();
            pace.change(Some(20.0));
            pace.turn().await;
            assert!(changed.elapsed() >= Duration::from_millis(50));
            pace.change(Some(21.0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_raised_rate_wakes_who_waits() {
        let pace = Arc::new(Pace::new(Some(0.001)));
        pace.turn().await;
        let waiting = tokio::spawn({
            let pace = Arc::clone(&pace);
            async move { pace.turn().await }
        });
        tokio::task::yield_now().await;
        let started = Instant::now();
        pace.change(None);
        waiting.await.unwrap();
        assert!(started.elapsed() <= GLANCE + SLACK);
    }
}
