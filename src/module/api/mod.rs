//! Safe wrappers of the server's module API: what they open they own and close on drop.
//!
//! In reading order: [`Context`] (what a callback is given), [`call`] (running the server's own commands), [`blocked`]
//! (clients that wait), [`client`] (who calls), [`wake`] (reaching the main thread from others), [`symbols`] (what this server offers).
//!
//! Every type here but [`blocked::BlockedClient`] and [`wake`] belongs to the main thread and to one callback.

pub mod blocked;
pub mod call;
pub mod client;
pub mod context;
pub mod log;
pub mod symbols;
pub mod wake;

pub use context::Context;
pub use redis_module::raw;

/// Reads a function of the server's API. Only for symbols that [`symbols::missing`] requires at load.
macro_rules! api {
    ($name:ident) => {{
        // SAFETY: the pointers are written once, in OnLoad before any other code of ours runs, and only read later.
        let pointer = unsafe { $crate::module::api::raw::$name };
        pointer.expect("symbols::missing() was checked at load")
    }};
}
pub(crate) use api;
