//! What an origin may do with a request, from a plain body to ten gigabytes that never end.

use std::io::{Result, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::DEADLINE;

/// One answer of an [`Origin`](super::Origin).
#[derive(Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    gate: Option<Gate>,
}

#[derive(Clone)]
enum Body {
    /// All of it, with its length.
    Whole(Vec<u8>),
    /// The length of all of it, but only half the bytes; then the connection closes.
    Half(Vec<u8>),
    /// Chunk after chunk, without end.
    Endless,
    /// This length is declared, and zeros are sent.
    Declared(u64),
    /// A byte now and then, never to the end.
    Trickle,
    /// The connection closes without a byte of an answer.
    Hangup,
    /// Bytes that are no HTTP, then the end of the connection.
    Raw(Vec<u8>),
}

impl Answer {
    /// 200 with this body.
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, headers: Vec::new(), body: Body::Whole(body.into()), gate: None }
    }

    /// 200 with JSON.
    pub(crate) fn json(document: &serde_json::Value) -> Self {
        Self::ok(document.to_string()).header("Content-Type", "application/json")
    }

    /// Another status, with a short body where the status allows one.
    pub(crate) fn status(status: u16) -> Self {
        let body = if status == 304 { String::new() } else { format!("status {status}") };
        Answer { status, ..Self::ok(body) }
    }

    /// Half of `body`, then the end of the connection.
    pub(crate) fn half(body: &str) -> Self {
        Answer { body: Body::Half(body.into()), ..Self::ok("") }
    }

    /// Chunks without end.
    pub(crate) fn endless() -> Self {
        Answer { body: Body::Endless, ..Self::ok("") }
    }

    /// As many zeros as this, announced in `Content-Length`.
    pub(crate) fn zeros(length: u64) -> Self {
        Answer { body: Body::Declared(length), ..Self::ok("") }
    }

    /// A byte every few milliseconds, without end.
    pub(crate) fn trickle() -> Self {
        Answer { body: Body::Trickle, ..Self::ok("") }
    }

    /// No answer: the connection closes.
    pub(crate) fn hangup() -> Self {
        Answer { body: Body::Hangup, ..Self::ok("") }
    }

    /// These bytes in place of an answer, then the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Answer { body: Body::Raw(bytes.into()), ..Self::ok("") }
    }

    /// 302 to another place.
    pub(crate) fn redirect(location: &str) -> Self {
        Self::status(302).header("Location", location)
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits at the gate before the first byte is sent.
    pub(crate) fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// The gate that the answer waits at.
    pub(super) fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    /// Writes the answer. `end` is passed when the origin ends; what has no end stops then, or when the peer has gone.
    /// Fails when the connection must not be used again.
    pub(super) fn write(&self, to: &mut dyn Write, end: &Gate) -> Result<()> {
        if let Body::Raw(bytes) = &self.body {
            to.write_all(bytes)?;
            to.flush()?;
        }
        let length = match &self.body {
            Body::Whole(body) | Body::Half(body) => Some(body.len() as u64),
            Body::Declared(length) => Some(*length),
            Body::Endless | Body::Trickle => None,
            Body::Hangup | Body::Raw(_) => return closed(),
        };
        to.write_all(self.head(length).as_bytes())?;
        match &self.body {
            Body::Whole(body) => return to.write_all(body).and_then(|()| to.flush()),
            Body::Half(body) => to.write_all(&body[..body.len() / 2])?,
            Body::Declared(length) => {
                let zeros = vec![0; 1 << 16];
                let mut left = *length;
                while left > 0 && !end.is_open() {
                    let part = left.min(zeros.len() as u64);
                    to.write_all(&zeros[..part as usize])?;
                    left -= part;
                }
            }
            Body::Endless => {
                let chunk = [b"10000\r\n".as_slice(), &[b'x'; 1 << 16], b"\r\n"].concat();
                while !end.is_open() {
                    to.write_all(&chunk)?;
                }
            }
            Body::Trickle => {
                while !end.opens_within(Duration::from_millis(5)) {
                    to.write_all(b"1\r\nx\r\n")?;
                    to.flush()?;
                }
            }
            Body::Hangup | Body::Raw(_) => {}
        }
        to.flush()?;
        closed()
    }

    fn head(&self, length: Option<u64>) -> String {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &match length {
            _ if self.status == 304 => String::new(),
            Some(length) => format!("Content-Length: {length}\r\n"),
            None => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        head + "\r\n"
    }
}

fn closed() -> Result<()> {
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

/// Holds answers back until the test opens it, and tells the test how many have come to it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Mutex<Passage>, Condvar)>);

struct Passage {
    state: State,
    arrived: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open,
}

impl Gate {
    /// A gate that lets nothing pass yet.
    pub(crate) fn closed() -> Self {
        Gate(Arc::new((Mutex::new(Passage { state: State::Closed, arrived: 0 }), Condvar::new())))
    }

    /// Lets everything pass from now on.
    pub(crate) fn open(&self) {
        self.passage().state = State::Open;
        self.0.1.notify_all();
    }

    /// Waits until `count` requests in all have come to the gate.
    #[track_caller]
    pub(crate) fn wait_for(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        let mut passage = self.passage();
        while passage.arrived < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} requests came to the gate", passage.arrived);
            passage = self.0.1.wait_timeout(passage, left).expect("no holder of a gate panics").0;
        }
    }

    /// How many requests have come to the gate so far.
    pub(crate) fn arrived(&self) -> usize {
        self.passage().arrived
    }

    /// Comes to the gate and waits until it is open.
    pub(super) fn pass(&self) {
        let mut passage = self.passage();
        passage.arrived += 1;
        self.0.1.notify_all();
        while passage.state == State::Closed {
            passage = self.0.1.wait(passage).expect("no holder of a gate panics");
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.passage().state == State::Open
    }

    fn opens_within(&self, time: Duration) -> bool {
        let passage = self.passage();
        let closed = |passage: &mut Passage| passage.state == State::Closed;
        let (passage, _) = self.0.1.wait_timeout_while(passage, time, closed).expect("no holder of a gate panics");
        passage.state == State::Open
    }

    fn passage(&self) -> MutexGuard<'_, Passage> {
        self.0.0.lock().expect("no holder of a gate panics")
    }
}
