//! The loader: fetches values from origins on its own tokio runtime. It knows fetches and answers, nothing of the server.
//!
//! In reading order: [`settings`] (what a user says), [`definition`] (checked), [`fetch`] (what crosses), [`runtime`]
//! (the threads), and below it the parts a request passes through.

mod batch;
mod budget;
mod client;
pub mod compress;
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
