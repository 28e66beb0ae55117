//! The loader: fetches values from origins on its own tokio runtime. It knows fetches and answers, nothing of the server.
//!
//! In reading order:
//! * what crosses: [`settings`] (what a user says), [`definition`] (checked by `checks`), [`fetch`] (out and back);
//! * what runs: [`runtime`] (the threads), `ticket` (one answer, whatever happens), `lane` and `pace` (who goes when, one
//!   of each a loader), `serve` (a fetch's tries) and [`probe`] (a single one);
//! * one request: [`endpoint`] and [`template`] (the address), `client`, `exchange` (redirects, statuses, the body),
//!   `budget` and `decode` (the body's bounds), `retry` and `freshness` (what the headers say);
//! * what becomes of a body: `document`, `content`, `batch`, [`mod@pointer`], [`compress`], [`validators`] (asking "still the same?");
//! * what happened so far: [`gauges`].
//!
//! Every buffer has a bound: open fetches, body bytes and validators by [`runtime::Limits`], one body by `MAXBYTES`.
//! Deliberately absent: a breaker, adaptive concurrency (their place is the lane), and anything that writes.

mod batch;
mod budget;
mod checks;
mod client;
pub mod compress;
mod content;
mod decode;
pub mod definition;
mod document;
pub mod endpoint;
mod exchange;
pub mod fetch;
mod freshness;
pub mod gauges;
mod lane;
mod pace;
pub mod pointer;
pub mod probe;
mod retry;
pub mod runtime;
mod serve;
pub mod settings;
pub mod template;
mod ticket;
pub mod validators;
