//! redis-warm: a module for Redis and Valkey that keeps a cache warm.
//!
//! Four layers, imports only downward (`ARCHITECTURE.md` holds the map, the journey of a key and the invariants):
//!
//! * [`engine`] – the rules: queue, jobs, progress, patterns, leases. Pure: no clock, no I/O, no values, no `unsafe`.
//! * `loader` – fetches from origins on its own tokio runtime; knows orders and outcomes, nothing of the server.
//! * `module` – the server boundary: commands, directives, hooks, slices. The only `unsafe`, the only clock.
//! * `cli` – `warmctl`, which talks to a server over the wire.

#[cfg(feature = "cli")]
pub mod cli;
pub mod engine;
#[cfg(feature = "loader")]
pub mod loader;
#[cfg(feature = "module")]
pub mod module;
