//! What the engine is told about itself when it starts, and may be told anew while it runs.

use std::time::Duration;

use super::foresight::mode::{Clients, Mode, RefreshAhead};

/// The engine's bounds and limits. Every combination is valid.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Keys that may wait for their order. A key costs about 200 bytes and its name. Default 1,000,000.
    pub queue_length: u32,
    /// Settled keys whose progress is remembered. A key costs about 130 bytes and its name. Default 100,000.
    pub progress_keys: u32,
    /// Jobs that may run at one time. Default 10,000.
    pub jobs_running: u32,
    /// Ended jobs that are remembered. Default 1,000.
    pub jobs_kept: u32,
    /// How long an ended job is remembered. Default 1 h.
    pub job_ttl: Duration,
    /// The used share of the server's memory limit above which no order leaves; a ratio. Default 0.95.
    pub pause_above_memory: f64,
    /// Orders handed out to a loader beyond its concurrency, as a multiple of it, where orders end within
    /// [`Settings::quick_order`]: so that its lane does not run dry during the hand-over. Default 3.
    pub orders_ahead: u32,
    /// How long an order may take for others to be handed out ahead. Default 20 ms.
    pub quick_order: Duration,
    /// How long a batch may wait for more keys while the loader is busy with others. Default 5 ms.
    pub linger: Duration,
    /// How far foresight goes. Default [`Mode::On`].
    pub predict: Mode,
    /// Whether values are fetched again before they expire. Default [`RefreshAhead::On`].
    pub refresh_ahead: RefreshAhead,
    /// Keys that are tracked. A key costs about 250 bytes and its name. Default 100,000.
    pub tracked_keys: u32,
    /// Bytes that the tracked keys may take, if that is less than [`Settings::tracked_keys`] allows. Default 128 MiB.
    pub tracked_bytes: u64,
    /// How far ahead demand is predicted, and how long a window is that predictions are scored over. Default 1 h.
    pub horizon: Duration,
    /// The share of the tracked keys that is called hot; a ratio in 0..1. Default 0.01.
    pub hot_share: f64,
    /// How often a model is trained. Default 6 h.
    pub train_interval: Duration,
    /// Percent of the keys that are never warmed ahead, so that the gain is measured. Default 5.
    pub holdout_percent: u32,
    /// Origin requests that foresight aims at, as a multiple of what filling on demand alone would make. Default 1.2.
    pub origin_budget: f64,
    /// Whether what a client asks for one after the other is one user's way. Default [`Clients::Shared`].
    pub clients: Clients,
    /// Where hash tables begin. The same seed and the same inputs give the same outputs. Not changed by
    /// [`Engine::configure`](super::Engine::configure). Default 0; a server draws it at random.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            queue_length: 1_000_000,
            progress_keys: 100_000,
            jobs_running: 10_000,
            jobs_kept: 1000,
            job_ttl: Duration::from_secs(3600),
            pause_above_memory: 0.95,
            orders_ahead: 3,
            quick_order: Duration::from_millis(20),
            linger: Duration::from_millis(5),
            predict: Mode::On,
            refresh_ahead: RefreshAhead::On,
            tracked_keys: 100_000,
            tracked_bytes: 128 << 20,
            horizon: Duration::from_secs(3600),
            hot_share: 0.01,
            train_interval: Duration::from_secs(6 * 3600),
            holdout_percent: 5,
            origin_budget: 1.2,
            clients: Clients::Shared,
            seed: 0,
        }
    }
}
