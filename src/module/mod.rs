//! The module: everything that belongs to the server. The only layer with `unsafe`, the only one that reads a clock.
//!
//! `ARCHITECTURE.md` gives the reading order. In short: [`load`] starts and ends it, [`entry`] is the door of every
//! callback, [`state`] what the main thread owns, [`mod@slice`] its work in an event-loop turn, [`engine_thread`] the other
//! end, [`commands`] what users type.
#![expect(unsafe_code, reason = "this layer is the server's boundary; each block gives its reasons")]

pub mod alloc;
pub mod answers;
pub mod api;
pub mod applying;
pub mod args;
pub mod beginning;
pub mod categories;
pub mod clock;
pub mod commands;
pub mod config;
pub mod definitions;
pub mod deletions;
pub mod demand;
pub mod describing;
pub mod directives;
pub mod docs;
pub mod engine_thread;
pub mod entry;
pub mod expansion;
pub mod hints;
pub mod hooks;
pub mod incoming;
pub mod info;
pub mod load;
pub mod loader_options;
pub mod loaders;
pub mod memory_policy;
pub mod metrics;
pub mod pace;
pub mod prediction;
pub mod pulse;
pub mod register;
pub mod releases;
pub mod reply;
pub mod slice;
pub mod state;
pub mod supplies;
pub mod target;
pub mod threads;
pub mod troubles;
pub mod upkeep;
pub mod waiter;
pub mod warmfile;
pub mod watch;
pub mod writing;
