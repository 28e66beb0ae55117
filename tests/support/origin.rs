//! A scripted HTTP/1.1 origin in this process: what the loaders under test fetch from.
//!
//! Without a script it serves `/content/{id}` ([`content`]), `/document/{id}` ([`document`]), and batches of documents
//! at `/object`, `/array` and `/ndjson` (`?ids=1,2,3`); everything else is 404. It counts every request.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::{Answer, Gate};

/// The body of `/content/{id}` when nothing is scripted.
pub(crate) fn content(id: impl std::fmt::Display) -> String {
    format!("content of {id}")
}

/// The body of `/document/{id}` and the items of batches when nothing is scripted: a flat JSON object.
pub(crate) fn document(id: impl std::fmt::Display) -> serde_json::Value {
    json!({ "id": id.to_string(), "title": format!("title of {id}"), "views": 7 })
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The target without its query, still percent-encoded.
    pub(crate) path: String,
    /// The query's parts, decoded.
    pub(crate) query: HashMap<String, String>,
    /// The headers, names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// When it came.
    pub(crate) at: Instant,
}

impl Request {
    /// The ids of a batch: `ids=1,2,3`.
    pub(crate) fn ids(&self) -> Vec<String> {
        let ids = self.query.get("ids").map_or("", String::as_str);
        ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
    }
}

type Script = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// A running origin. On drop it closes its connections and waits for its threads.
pub(crate) struct Origin {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    tls: Option<Arc<ServerConfig>>,
    scripts: Mutex<HashMap<String, Script>>,
    requests: Mutex<Vec<Request>>,
    connections: Mutex<Vec<TcpStream>>,
    gates: Mutex<Vec<Gate>>,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    end: Gate,
}

impl Origin {
    /// Starts an origin on a free port of this machine.
    pub(crate) fn start() -> Self {
        Self::launch("http", None)
    }

    /// Starts an origin that speaks TLS with a certificate nobody trusts.
    pub(crate) fn start_untrusted() -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a certificate can be made");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let chain = vec![CertificateDer::from(signed.cert.der().to_vec())];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the certificate fits its key");
        Self::launch("https", Some(Arc::new(config)))
    }

    fn launch(scheme: &'static str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("this machine has free ports");
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            tls,
            scripts: Mutex::default(),
            requests: Mutex::default(),
            connections: Mutex::default(),
            gates: Mutex::default(),
            busy: AtomicUsize::new(0),
            most_busy: AtomicUsize::new(0),
            end: Gate::closed(),
        });
        let acceptor = {
            let shared = shared.clone();
            std::thread::spawn(move || accept(&listener, &shared))
        };
        Origin { address, scheme, shared, acceptor: Some(acceptor) }
    }

    /// The start of this origin's URLs, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Gives the same answer to every request for this path.
    pub(crate) fn on(&self, path: &str, answer: Answer) {
        self.script(path, move |_| answer.clone());
    }

    /// Gives these answers in turn to requests for this path, then the last one again and again.
    pub(crate) fn on_each(&self, path: &str, answers: Vec<Answer>) {
        let turn = AtomicUsize::new(0);
        self.script(path, move |_| {
            let turn = turn.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            answers[turn].clone()
        });
    }

    /// Answers requests for this path by a function of the request.
    pub(crate) fn script(&self, path: &str, script: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        locked(&self.shared.scripts).insert(path.to_owned(), Arc::new(script));
    }

    /// How many requests came for this path.
    pub(crate) fn requests(&self, path: &str) -> usize {
        locked(&self.shared.requests).iter().filter(|request| request.path == path).count()
    }

    /// How many requests came in all.
    pub(crate) fn total(&self) -> usize {
        locked(&self.shared.requests).len()
    }

    /// All requests, in the order in which they came.
    pub(crate) fn history(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }

    /// How many requests were being answered at one time, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most_busy.load(Ordering::Relaxed)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        locked(&self.shared.connections).len()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.end.open();
        for gate in locked(&self.shared.gates).iter() {
            gate.open();
        }
        for connection in locked(&self.shared.connections).iter() {
            // An error means that the peer has closed it already.
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the acceptor; it sees that the end has come.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take()
            && acceptor.join().is_err()
            && !std::thread::panicking()
        {
            unreachable!("a thread of the origin panicked");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    while let Ok((connection, _)) = listener.accept() {
        if shared.end.is_open() {
            break;
        }
        let handle = connection.try_clone().expect("a socket handle can be copied");
        locked(&shared.connections).push(handle);
        let shared = shared.clone();
        threads.push(std::thread::spawn(move || converse(connection, &shared)));
    }
    for connection in locked(&shared.connections).iter() {
        let _ = connection.shutdown(Shutdown::Both);
    }
    for thread in threads {
        thread.join().expect("no thread of the origin panics");
    }
}

fn converse(connection: TcpStream, shared: &Shared) {
    connection.set_nodelay(true).expect("a socket can be told not to delay");
    match &shared.tls {
        None => serve(connection.try_clone().expect("a socket handle can be copied"), shared),
        Some(config) => {
            let session = ServerConnection::new(config.clone()).expect("the configuration is complete");
            serve(StreamOwned::new(session, connection.try_clone().expect("a socket handle can be copied")), shared);
        }
    }
    // The origin keeps a handle of its own to the connection, so dropping ours would not close it.
    let _ = connection.shutdown(Shutdown::Both);
}

fn serve(stream: impl Read + Write, shared: &Shared) {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read_request(&mut stream) {
        let script = locked(&shared.scripts).get(&request.path).cloned();
        let answer = script.map_or_else(|| unscripted(&request), |script| script(&request));
        locked(&shared.requests).push(request);
        let busy = shared.busy.fetch_add(1, Ordering::Relaxed) + 1;
        shared.most_busy.fetch_max(busy, Ordering::Relaxed);
        if let Some(gate) = answer.gate() {
            locked(&shared.gates).push(gate.clone());
            if shared.end.is_open() {
                gate.open();
            }
            gate.pass();
        }
        let written = answer.write(stream.get_mut(), &shared.end);
        shared.busy.fetch_sub(1, Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}

fn read_request(stream: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let target = lines.first()?.split(' ').nth(1)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines[1..].iter().filter_map(|line| line.split_once(':'));
    Some(Request {
        path: path.to_owned(),
        query: query_parts(query),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
        at: Instant::now(),
    })
}

fn unscripted(request: &Request) -> Answer {
    let documents = || request.ids().into_iter().map(document);
    if let Some(id) = request.path.strip_prefix("/content/") {
        Answer::ok(content(id))
    } else if let Some(id) = request.path.strip_prefix("/document/") {
        Answer::json(&document(id))
    } else {
        match request.path.as_str() {
            "/object" => Answer::json(&request.ids().into_iter().map(|id| (id.clone(), document(id))).collect()),
            "/array" => Answer::json(&documents().collect()),
            "/ndjson" => Answer::ok(documents().map(|document| format!("{document}\n")).collect::<String>()),
            _ => Answer::status(404),
        }
    }
}

/// The parts of a query string, decoded.
fn query_parts(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), percent_decoded(value))).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match code {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread of the origin panics")
}
