//! The HTTP client that all loaders share: keep-alive connections per host, TLS against the system's certificates, no
//! proxy. What goes wrong on the wire is told in one line without addresses or bytes.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use super::fetch::{Failure, FailureKind};

/// Sends requests without a body.
pub(super) type Client = legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

/// A client that trusts the system's certificates, or those in `SSL_CERT_FILE`. On a system without any, every `https`
/// origin fails as not trusted and every `http` origin works.
///
/// # Errors
/// If the TLS library has no protocol version to speak.
pub(super) fn new() -> io::Result<Client> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls()?).https_or_http().enable_all_versions().wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(MAX_IDLE)
        .http1_max_buf_size(READ_BUFFER)
        .build(connector))
}

/// A request that got no answer.
pub(super) fn unanswered(error: &legacy::Error) -> Failure {
    let cause = cause(error);
    if error.is_connect() {
        return Failure { kind: FailureKind::Connect, message: format!("could not connect: {cause}") };
    }
    let parse = find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    if parse {
        return Failure { kind: FailureKind::Body, message: "the answer is not HTTP".to_owned() };
    }
    Failure { kind: FailureKind::Connect, message: format!("the connection broke: {cause}") }
}

/// A body that stopped before its end.
pub(super) fn cut_short(error: &hyper::Error) -> Failure {
    Failure { kind: FailureKind::Body, message: format!("the body was cut short: {}", cause(error)) }
}

/// An idle connection is closed after this long.
const IDLE: Duration = Duration::from_secs(30);

/// Idle connections kept for one host.
const MAX_IDLE: usize = 256;

/// The most that one connection reads ahead, in bytes; bounds an answer's headers too.
const READ_BUFFER: usize = 128 << 10;

/// The longest cause that goes into a message, in characters.
const MAX_CAUSE: usize = 160;

fn tls() -> io::Result<ClientConfig> {
    let ring = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = || {
        let versions =
            ClientConfig::builder_with_provider(std::sync::Arc::clone(&ring)).with_safe_default_protocol_versions();
        versions.map_err(io::Error::other)
    };
    Ok(match builder()?.with_native_roots() {
        Ok(config) => config.with_no_client_auth(),
        Err(_) => builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    })
}

/// The innermost cause in its own words.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().take(MAX_CAUSE).collect()
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    match error.downcast_ref() {
        Some(found) => Some(found),
        None => find(error.source()?),
    }
}
