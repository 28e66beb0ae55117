//! The loader's threads: fetches go in without waiting, each comes back as one answer.
//!
//! One thread (by default) runs everything: it takes fetches from a channel, puts each on the lane of its loader and
//! drives the lanes' workers. The channel needs no bound of its own, because the count of open fetches has one; of it
//! warm fetches may take three quarters, so that a client who waits finds room. Stopping drops every task, and whatever
//! was open is answered as cancelled.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use hashbrown::HashMap;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use super::budget::Budget;
use super::client;
use super::definition::Definition;
use super::fetch::{Answer, Fetch, Urgency};
use super::gauges::Gauges;
use super::lane::Lane;
use super::probe::{Listener, Probe};
use super::serve::{Shared, Task};
use super::ticket::{Desk, Ticket};
use super::validators::Digester;
use crate::engine::key::Key;

/// The bounds of a runtime.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Threads that fetch; one is enough for tens of thousands of requests a second.
    pub threads: usize,
    /// Body bytes in memory from the origin until the value is dropped; at most 4 GiB.
    pub in_flight_bytes: u64,
    /// Fetches that are queued or running; of them at most three quarters warm ones.
    pub max_fetches: usize,
    /// Keys whose `ETag` or `Last-Modified` is remembered.
    pub validators: usize,
    /// The key of digests and the seed of backoffs.
    pub seed: u64,
}

impl Default for Limits {
    /// One thread, 64 MiB, 16,384 fetches, 65,536 validators, a random seed.
    fn default() -> Self {
        let seed = RandomState::new().build_hasher().finish();
        Limits { threads: 1, in_flight_bytes: 64 << 20, max_fetches: 16_384, validators: 65_536, seed }
    }
}

/// The running loader. Dropping it stops it.
pub struct Runtime {
    desk: Arc<Desk>,
    shared: Arc<Shared>,
    limits: Limits,
    inbox: UnboundedSender<Task>,
    gauges: Arc<ArcSwap<GaugesByName>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Replaced as a whole when a lane is made, so that reading never waits.
type GaugesByName = HashMap<String, Arc<Gauges>>;

/// Lanes that are kept; beyond, those that are idle are forgotten together with their figures.
const MAX_LANES: usize = 4096;

/// How long tasks of the system's resolver may hold up the end; they are then left behind.
const FAREWELL: Duration = Duration::from_millis(20);

/// Name look-ups at one time.
const RESOLVERS: usize = 64;

impl Runtime {
    /// Starts the threads. `answers` is called on them, once for each fetch, and must not wait.
    ///
    /// # Errors
    /// If the system gives no thread or no event queue.
    pub fn start(limits: Limits, answers: Arc<dyn Fn(Answer) + Send + Sync>) -> io::Result<Self> {
        let mut builder = if limits.threads > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        let tokio = builder
            .worker_threads(limits.threads.max(1))
            .max_blocking_threads(RESOLVERS)
            .thread_name("warm-loader")
            .enable_all()
            .build()?;
        let (budget, digester) = (Budget::new(limits.in_flight_bytes), Digester::new(limits.seed));
        let shared = Arc::new(Shared::new(client::new()?, budget, digester, limits.validators));
        let (inbox, tasks) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let gauges = Arc::new(ArcSwap::default());
        let dispatcher = Dispatcher { lanes: HashMap::new(), gauges: Arc::clone(&gauges) };
        let thread = std::thread::Builder::new().name("warm-loader".to_owned()).spawn(move || {
            tokio.block_on(dispatcher.run(tasks, stopped));
            tokio.shutdown_timeout(FAREWELL);
        })?;
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Runtime { desk: Desk::new(answers), shared, limits, inbox, gauges, stop, thread })
    }

    /// Takes `fetches` over; never waits.
    ///
    /// # Errors
    /// The fetches for which there is no room: they are not fetched and get no answer.
    pub fn submit(&self, fetches: Vec<Fetch>) -> Result<(), Vec<Fetch>> {
        let mut rejected = Vec::new();
        for fetch in fetches {
            let most = match fetch.urgency {
                Urgency::Live => self.limits.max_fetches,
                Urgency::Warm => self.limits.max_fetches - self.limits.max_fetches / 4,
            };
            match self.desk.enter(most) {
                // A channel that is closed gives the ticket back, and dropping it answers.
                Some(place) => drop(self.inbox.send(Task::Fetch(Ticket::new(fetch, place), Arc::clone(&self.shared)))),
                None => rejected.push(fetch),
            }
        }
        if rejected.is_empty() { Ok(()) } else { Err(rejected) }
    }

    /// Tests `definition` with `key`: one try, no retries, under the loader's rate. `report` is called once, on a thread
    /// of the loader, or at once where there is no room.
    pub fn probe(&self, definition: Arc<Definition>, key: Key, report: Listener) {
        let place = self.desk.enter(self.limits.max_fetches);
        let accepted = place.is_some();
        let probe = Probe::new(definition, key, report, place);
        if accepted {
            // As for a fetch: dropping it reports.
            drop(self.inbox.send(Task::Probe(probe, Arc::clone(&self.shared))));
        }
    }

    /// The figures of the loader `name`; `None` if nothing was ever asked of it. Never waits.
    pub fn gauges(&self, name: &str) -> Option<Arc<Gauges>> {
        self.gauges.load().get(name).cloned()
    }

    /// Makes the digests for [`Item::held`](super::fetch::Item::held).
    pub fn digester(&self) -> Digester {
        self.shared.digester
    }

    /// Fetches that are queued or running.
    pub fn open(&self) -> usize {
        self.desk.open()
    }

    /// Panics of the loader's own that were caught.
    pub fn panics(&self) -> u64 {
        self.desk.panics()
    }

    /// Gives up whatever is open, which is answered as cancelled, and ends the threads. Waits for them: some
    /// milliseconds, however long origins take.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.stop();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to say; its tasks answered when they were dropped.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).field("open", &self.open()).finish_non_exhaustive()
    }
}

/// Brings each task to the lane of its loader.
struct Dispatcher {
    lanes: HashMap<String, Arc<Lane<Task>>>,
    gauges: Arc<ArcSwap<GaugesByName>>,
}

impl Dispatcher {
    async fn run(mut self, mut tasks: UnboundedReceiver<Task>, mut stopped: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                task = tasks.recv() => match task {
                    Some(task) => self.dispatch(task),
                    None => return,
                },
            }
        }
    }

    fn dispatch(&mut self, task: Task) {
        let lane = match &task {
            Task::Fetch(ticket, _) => ticket.fetch().map(|fetch| self.lane(&fetch.loader)),
            Task::Probe(probe, _) => Some(self.lane(probe.definition())),
        };
        if let Some(lane) = lane {
            lane.push(task);
        }
    }

    fn lane(&mut self, definition: &Definition) -> Arc<Lane<Task>> {
        if let Some(lane) = self.lanes.get(definition.name()) {
            lane.follow(definition);
            return Arc::clone(lane);
        }
        if self.lanes.len() >= MAX_LANES {
            self.lanes.retain(|_, lane| !lane.is_idle());
        }
        let lane = Lane::new(definition);
        self.lanes.insert(definition.name().to_owned(), Arc::clone(&lane));
        let shown = self.lanes.iter().map(|(name, lane)| (name.clone(), Arc::clone(&lane.gauges)));
        self.gauges.store(Arc::new(shown.collect()));
        lane
    }
}
