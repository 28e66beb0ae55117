//! What the engine is told about itself when it starts, and may be told anew while it runs.

use std::time::Duration;

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
            seed: 0,
        }
    }
}
