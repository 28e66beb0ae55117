//! Whom an https origin has to convince.

use std::process::Command;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::origin::ok;
use super::*;

/// Set in the child of the test that needs an environment of its own: the origin's URL.
const CHILD: &str = "REDIS_WARM_TEST_ORIGIN";

/// An origin with a certificate of its own making, and that certificate.
fn origin() -> (Origin, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    (Origin::start_tls(Arc::new(config), |asked| ok(&asked.path)), certified.cert.pem())
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (origin, _) = origin();
    let loading = Loading::start();
    let loader = define(&origin.url("/{id}").replace("http:", "https:"), |settings| settings.retries = 0);
    let failure = loading.failure(&loader, "item:1");
    assert_eq!(failure.kind, FailureKind::Connect);
    assert!(failure.message.contains("certificate"), "{}", failure.message);
    assert!(origin.asked().is_empty());
}

/// The certificates are read from the environment, so the fetch happens in a process that has the right one.
#[test]
fn a_certificate_in_ssl_cert_file_is_trusted() {
    if let Ok(url) = std::env::var(CHILD) {
        assert_eq!(plain(Loading::start().one(&define(&url, |_| ()), "item:7")), "/7");
        return;
    }
    let (origin, pem) = origin();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::a_certificate_in_ssl_cert_file_is_trusted", "--nocapture"])
        .env(CHILD, origin.url("/{id}").replace("http://127.0.0.1", "https://localhost"))
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(origin.asked().len(), 1);
}
