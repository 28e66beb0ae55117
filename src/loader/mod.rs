//! The loader: fetches values from origins on its own tokio runtime. It knows fetches and answers, nothing of the server.
//!
//! In reading order: [`settings`] (what a user says), [`definition`] (checked), [`fetch`] (what crosses), [`runtime`]
//! (the threads), and below it the parts a request passes through.

pub mod batch;
pub mod budget;
pub mod compress;
pub mod decode;
pub mod definition;
pub mod document;
pub mod endpoint;
pub mod fetch;
pub mod freshness;
pub mod gauges;
pub mod lane;
pub mod pace;
pub mod pointer;
pub mod retry;
pub mod runtime;
pub mod settings;
pub mod template;
pub mod validators;
