//! What the tests against real servers are made of.
//!
//! - [`setup`] and [`server`]: a [`Server`] of each supported [`Edition`] in its own folder, ended by its guard;
//! - [`client`]: a connection to it, and [`reply`]: what came back, with access to records;
//! - [`origin`]: a scripted HTTP [`Origin`] in this process, and [`answer`]: what it may do to a loader, with [`Gate`]s
//!   that hold an answer back until the test lets it go;
//! - [`jobs`]: what holds of every job that has ended.
//!
//! Nothing here sleeps for a time: a test waits for a condition ([`wait_until`]), and loses after [`DEADLINE`].

pub(crate) mod answer;
pub(crate) mod client;
pub(crate) mod jobs;
pub(crate) mod origin;
pub(crate) mod reply;
pub(crate) mod server;
pub(crate) mod setup;

use std::time::{Duration, Instant};

pub(crate) use answer::{Answer, Gate};
pub(crate) use client::Client;
pub(crate) use origin::Origin;
pub(crate) use reply::Reply;
pub(crate) use server::Server;
pub(crate) use setup::Edition;

/// How long a test waits for anything before it fails. Long, because it is only spent on failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds. `what` ends the sentence "still not true: ".
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "still not true after {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Makes one test of each named scenario for each supported server: `redis_7_0::name`, `redis_8_2::name`,
/// `valkey_9_1::name`. A scenario is a function of an [`Edition`].
macro_rules! on_each_server {
    ($($scenario:ident),+ $(,)?) => {
        mod redis_7_0 {
            $(#[test] fn $scenario() { super::$scenario($crate::support::Edition::Redis70); })+
        }
        mod redis_8_2 {
            $(#[test] fn $scenario() { super::$scenario($crate::support::Edition::Redis82); })+
        }
        mod valkey_9_1 {
            $(#[test] fn $scenario() { super::$scenario($crate::support::Edition::Valkey91); })+
        }
    };
}
pub(crate) use on_each_server;
