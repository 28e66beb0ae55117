//! The lane of one loader: its queue, how many of it run at one time, and its pace.
//!
//! Two queues, first come first served; live work goes before warm work. Workers are tasks that take one job after the
//! other and end when there is none: at most as many as the loader's concurrency. A worker first waits for its turn and
//! then takes the job that is most urgent by then. A lane that is held (the origin said `Retry-After`) leaves its warm
//! work in the queue. Lanes share nothing, so a slow loader never blocks another.
//!
//! The state is behind a plain mutex that is held for a few instructions and never across a wait; only the loader's own
//! threads use it. The queues are bounded by the runtime's limit of open fetches.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::time::{Instant, sleep_until};

use super::definition::Definition;
use super::fetch::Urgency;
use super::gauges::Gauges;
use super::pace::Pace;

/// What a lane runs.
pub trait Job: Send + Sized + 'static {
    /// Which queue it belongs to.
    fn urgency(&self) -> Urgency;

    /// Does it. The first turn has been taken; a job that sends more than one request takes the others itself. A panic
    /// ends the job, which must answer for itself when it is dropped, and not the lane.
    fn run(self, lane: &Arc<Lane<Self>>) -> impl Future<Output = ()> + Send;
}

/// The lane of one loader.
#[derive(Debug)]
pub struct Lane<J> {
    /// When requests may be sent.
    pub pace: Pace,
    /// What happened so far.
    pub gauges: Arc<Gauges>,
    state: Mutex<State<J>>,
}

#[derive(Debug)]
struct State<J> {
    live: VecDeque<J>,
    warm: VecDeque<J>,
    /// Jobs in the queues that a worker, waiting for its turn, has been promised.
    claims: usize,
    workers: usize,
    limit: usize,
    /// Warm work waits until then.
    held_until: Option<Instant>,
    /// The definition that `limit` and the pace come from.
    generation: u64,
}

impl<J: Job> Lane<J> {
    /// The lane of the loader that `definition` defines.
    pub fn new(definition: &Definition) -> Arc<Self> {
        let lane = Lane {
            pace: Pace::new(definition.rate()),
            gauges: Arc::default(),
            state: Mutex::new(State {
                live: VecDeque::new(),
                warm: VecDeque::new(),
                claims: 0,
                workers: 0,
                limit: definition.concurrency() as usize,
                held_until: None,
                generation: definition.generation(),
            }),
        };
        lane.gauges.limit.store(definition.concurrency(), Ordering::Relaxed);
        Arc::new(lane)
    }

    /// Takes over concurrency and rate of `definition` if it is newer than what the lane follows.
    pub fn follow(&self, definition: &Definition) {
        let mut state = self.state();
        if definition.generation() > state.generation {
            state.generation = definition.generation();
            state.limit = definition.concurrency() as usize;
            self.gauges.limit.store(definition.concurrency(), Ordering::Relaxed);
            self.pace.change(definition.rate());
        }
    }

    /// Queues `job` and sees to it that someone does it. Needs a tokio runtime.
    pub fn push(self: &Arc<Self>, job: J) {
        let mut state = self.state();
        match job.urgency() {
            Urgency::Live => state.live.push_back(job),
            Urgency::Warm => state.warm.push_back(job),
        }
        self.staff(state);
    }

    /// Queues `job` as the first of its kind: it was begun before and has to wait.
    pub fn put_back(self: &Arc<Self>, job: J) {
        let mut state = self.state();
        match job.urgency() {
            Urgency::Live => state.live.push_front(job),
            Urgency::Warm => state.warm.push_front(job),
        }
        self.staff(state);
    }

    /// Leaves warm work in the queue until `until`, or longer if that was said before.
    pub fn hold(self: &Arc<Self>, until: Instant) {
        let mut state = self.state();
        let alarm = state.held_until.is_none();
        state.held_until = state.held_until.max(Some(until));
        drop(state);
        if alarm {
            let lane = Arc::clone(self);
            tokio::spawn(async move { lane.release().await });
        }
    }

    /// Whether nothing is queued or running.
    pub fn is_idle(&self) -> bool {
        let state = self.state();
        state.workers == 0 && state.live.is_empty() && state.warm.is_empty() && state.held_until.is_none()
    }

    async fn release(self: Arc<Self>) {
        loop {
            let Some(until) = self.state().held_until else { return };
            sleep_until(until).await;
            let mut state = self.state();
            if state.held_until <= Some(until) {
                state.held_until = None;
                self.staff(state);
                return;
            }
        }
    }

    /// Starts as many workers as there is work and room for.
    fn staff(self: &Arc<Self>, mut state: MutexGuard<'_, State<J>>) {
        let wanted = state.unclaimed().min(state.limit.saturating_sub(state.workers));
        state.workers += wanted;
        state.claims += wanted;
        self.show(&state);
        drop(state);
        for _ in 0..wanted {
            let lane = Arc::clone(self);
            tokio::spawn(async move { lane.work().await });
        }
    }

    /// One worker, which has a claim.
    async fn work(self: Arc<Self>) {
        loop {
            self.pace.turn().await;
            if let Some(job) = self.take() {
                let mut running = pin!(job.run(&self));
                // A panic ends the future; it is dropped at the end of this block and never polled again.
                poll_fn(|context| {
                    let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)));
                    polled.unwrap_or(Poll::Ready(()))
                })
                .await;
            }
            if !self.claim_or_leave() {
                return;
            }
        }
    }

    fn take(&self) -> Option<J> {
        let mut state = self.state();
        state.claims = state.claims.saturating_sub(1);
        let job = match state.live.pop_front() {
            Some(job) => Some(job),
            None if state.held_until.is_none() => state.warm.pop_front(),
            None => None,
        };
        self.show(&state);
        job
    }

    fn claim_or_leave(&self) -> bool {
        let mut state = self.state();
        let stays = state.workers <= state.limit && state.unclaimed() > 0;
        if stays {
            state.claims += 1;
        } else {
            state.workers = state.workers.saturating_sub(1);
        }
        self.show(&state);
        stays
    }

    fn show(&self, state: &State<J>) {
        let busy = u32::try_from(state.workers.saturating_sub(state.claims)).unwrap_or(u32::MAX);
        let queued = u32::try_from(state.live.len() + state.warm.len()).unwrap_or(u32::MAX);
        self.gauges.in_flight.store(busy, Ordering::Relaxed);
        self.gauges.queued.store(queued, Ordering::Relaxed);
    }

    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> State<J> {
    /// Jobs that may be done now and that no worker has been promised.
    fn unclaimed(&self) -> usize {
        let warm = if self.held_until.is_none() { self.warm.len() } else { 0 };
        (self.live.len() + warm).saturating_sub(self.claims)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

    use super::super::settings::Settings;
    use super::*;

    #[derive(Debug)]
    struct Test {
        name: &'static str,
        urgency: Urgency,
        gate: Arc<Semaphore>,
        begun: UnboundedSender<(&'static str, Instant)>,
    }

    impl Job for Test {
        fn urgency(&self) -> Urgency {
            self.urgency
        }

        async fn run(self, _: &Arc<Lane<Test>>) {
            self.begun.send((self.name, Instant::now())).unwrap();
            assert_ne!(self.name, "panics");
            let _pass = self.gate.acquire().await.unwrap();
        }
    }

    struct Yard {
        lane: Arc<Lane<Test>>,
        gate: Arc<Semaphore>,
        begun: UnboundedReceiver<(&'static str, Instant)>,
        sender: UnboundedSender<(&'static str, Instant)>,
    }

    impl Yard {
        fn new(concurrency: u32, rate: f64, passes: usize) -> Self {
            let (sender, begun) = unbounded_channel();
            let lane = Lane::new(&definition(concurrency, rate));
            Yard { lane, gate: Arc::new(Semaphore::new(passes)), begun, sender }
        }

        fn job(&self, name: &'static str, urgency: Urgency) -> Test {
            Test { name, urgency, gate: Arc::clone(&self.gate), begun: self.sender.clone() }
        }

        fn push(&self, name: &'static str, urgency: Urgency) {
            self.lane.push(self.job(name, urgency));
        }

        async fn next(&mut self) -> (&'static str, Instant) {
            tokio::time::timeout(Duration::from_secs(100), self.begun.recv()).await.unwrap().unwrap()
        }
    }

    fn definition(concurrency: u32, rate: f64) -> Definition {
        let mut settings = Settings::new("a", b"a:{id}", "http://h/{id}");
        settings.concurrency = concurrency;
        settings.rate = rate;
        Definition::new(settings).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn live_goes_before_warm_and_each_in_order() {
        let mut yard = Yard::new(1, 0.0, 0);
        yard.push("first", Urgency::Warm);
        assert_eq!(yard.next().await.0, "first");
        for (name, urgency) in [("w1", Urgency::Warm), ("w2", Urgency::Warm), ("l1", Urgency::Live), ("l2", Urgency::Live)] {
            yard.push(name, urgency);
        }
        assert_eq!(yard.lane.gauges.queued.load(Ordering::Relaxed), 4);
        assert_eq!(yard.lane.gauges.in_flight.load(Ordering::Relaxed), 1);
        yard.gate.add_permits(1);
        for name in ["l1", "l2", "w1", "w2"] {
            assert_eq!(yard.next().await.0, name);
        }
        while !yard.lane.is_idle() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_job_overtakes_while_the_turn_is_awaited() {
        let mut yard = Yard::new(4, 1.0, 10);
        ["w1", "w2", "w3"].map(|name| yard.push(name, Urgency::Warm));
        assert_eq!(yard.next().await.0, "w1");
        yard.push("live", Urgency::Live);
        for name in ["live", "w2", "w3"] {
            assert_eq!(yard.next().await.0, name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_at_once_than_the_concurrency() {
        let mut yard = Yard::new(3, 0.0, 0);
        ["a", "b", "c", "d", "e", "f"].map(|name| yard.push(name, Urgency::Warm));
        for _ in 0..3 {
            yard.next().await;
        }
        tokio::time::timeout(Duration::from_secs(1), yard.begun.recv()).await.unwrap_err();
        yard.lane.follow(&definition(1, 0.0));
        yard.gate.add_permits(1);
        for _ in 0..3 {
            yard.next().await;
        }
        while !yard.lane.is_idle() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_the_job_and_not_the_lane() {
        let mut yard = Yard::new(1, 0.0, 10);
        ["panics", "panics", "goes on"].map(|name| yard.push(name, Urgency::Live));
        for name in ["panics", "panics", "goes on"] {
            assert_eq!(yard.next().await.0, name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_lane_does_live_work_only() {
        let mut yard = Yard::new(1, 0.0, 10);
        let started = Instant::now();
        yard.lane.hold(started + Duration::from_secs(10));
        yard.lane.hold(started + Duration::from_secs(20));
        yard.lane.hold(started + Duration::from_secs(5));
        yard.push("warm", Urgency::Warm);
        yard.lane.put_back(yard.job("again", Urgency::Warm));
        yard.push("live", Urgency::Live);
        assert_eq!(yard.next().await, ("live", started));
        for name in ["again", "warm"] {
            let (begun, at) = yard.next().await;
            assert_eq!(begun, name);
            assert!(at >= started + Duration::from_secs(20));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_across_definitions_and_workers() {
        let mut yard = Yard::new(32, 10.0, 1000);
        (0..40).for_each(|_| yard.push("x", Urgency::Warm));
        let mut begun = Vec::new();
        for number in 0..40 {
            begun.push(yard.next().await.1);
            if number % 5 == 0 {
                yard.lane.follow(&definition(32, if number < 20 { 10.0 } else { 5.0 }));
            }
        }
        for (number, pair) in begun.windows(2).enumerate() {
            let least = if number < 20 { 98 } else { 198 };
            assert!(pair[1] - pair[0] >= Duration::from_millis(least), "{number}: {:?}", pair[1] - pair[0]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_definition_changes_nothing() {
        let (older, newer) = (definition(7, 0.0), definition(2, 0.0));
        let lane: Arc<Lane<Test>> = Lane::new(&newer);
        lane.follow(&older);
        assert_eq!(lane.gauges.limit.load(Ordering::Relaxed), 2);
    }
}
