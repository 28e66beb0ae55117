//! An HTTP origin on loopback that answers with exactly the bytes it is told, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::DEADLINE;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) at: Instant,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    /// The number of the request, from 0, over all connections.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the origin does about a request.
pub(crate) enum Reply {
    /// Sends the bytes and waits for the next request.
    Send(Vec<u8>),
    /// Sends the bytes and closes.
    SendAndClose(Vec<u8>),
    /// Sends the bytes, and then nothing until the other side gives up.
    SendAndHang(Vec<u8>),
    /// Sends the first bytes, and the others over and over until the other side gives up.
    Endless(Vec<u8>, Vec<u8>),
}

/// A whole answer with a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Reply {
    let mut bytes = head(status, headers, body.as_ref().len());
    bytes.extend_from_slice(body.as_ref());
    Reply::Send(bytes)
}

pub(crate) fn ok(body: impl AsRef<[u8]>) -> Reply {
    answer(200, &[], body)
}

/// Status line and headers of an answer whose body has `length` bytes.
pub(crate) fn head(status: u16, headers: &[(&str, &str)], length: usize) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n");
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    (text + "\r\n").into_bytes()
}

/// The start of an answer in chunks, and one chunk.
pub(crate) fn chunks(headers: &str, chunk: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}transfer-encoding: chunked\r\n\r\n");
    (head.into_bytes(), [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat())
}

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// The running origin; dropping it closes everything.
pub(crate) struct Origin {
    address: SocketAddr,
    log: Arc<Log>,
    stopped: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    sent: u64,
    sockets: Vec<TcpStream>,
}

impl Origin {
    pub(crate) fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(script), None)
    }

    /// The same over TLS.
    pub(crate) fn start_tls(
        config: Arc<rustls::ServerConfig>,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Arc::new(script), Some(config))
    }

    fn listen(script: Script, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stopped) = (Arc::<Log>::default(), Arc::new(AtomicBool::new(false)));
        let (shared, ending) = (Arc::clone(&log), Arc::clone(&stopped));
        let acceptor = std::thread::spawn(move || {
            let mut connections = Vec::new();
            while let Ok((socket, _)) = listener.accept() {
                if ending.load(Ordering::Acquire) {
                    break;
                }
                shared.state.lock().unwrap().sockets.push(socket.try_clone().unwrap());
                let (script, log, tls, number) =
                    (Arc::clone(&script), Arc::clone(&shared), tls.clone(), connections.len());
                connections.push(std::thread::spawn(move || match tls {
                    None => converse(&mut BufReader::new(socket), number, &script, &log),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        converse(&mut BufReader::new(rustls::StreamOwned::new(session, socket)), number, &script, &log);
                    }
                }));
            }
            connections.into_iter().for_each(|connection| connection.join().unwrap());
        });
        Origin { address, log, stopped, acceptor: Some(acceptor) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.state.lock().unwrap().asked.clone()
    }

    /// Waits until `count` requests have arrived.
    pub(crate) fn until_asked(&self, count: usize) {
        let state = self.log.state.lock().unwrap();
        let (_state, waited) =
            self.log.changed.wait_timeout_while(state, DEADLINE, |state| state.asked.len() < count).unwrap();
        assert!(!waited.timed_out(), "the requests did not come");
    }

    /// The bytes that were sent as endless bodies.
    pub(crate) fn sent(&self) -> u64 {
        self.log.state.lock().unwrap().sent
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        for socket in &self.log.state.lock().unwrap().sockets {
            drop(socket.shutdown(Shutdown::Both));
        }
        let ended = self.acceptor.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the origin panicked");
    }
}

fn converse(stream: &mut BufReader<impl Read + Write>, connection: usize, script: &Script, log: &Log) {
    while let Some(asked) = request(stream, connection, log) {
        let (bytes, goes_on) = match script(&asked) {
            Reply::Send(bytes) => (bytes, true),
            Reply::SendAndClose(bytes) => (bytes, false),
            Reply::SendAndHang(bytes) => {
                drop(stream.get_mut().write_all(&bytes).and_then(|()| stream.get_mut().flush()));
                drop(stream.read(&mut [0]));
                return close(stream, connection, log);
            }
            Reply::Endless(first, again) => {
                let mut going = stream.get_mut().write_all(&first);
                while going.is_ok() {
                    going = stream.get_mut().write_all(&again);
                    log.state.lock().unwrap().sent += again.len() as u64;
                }
                return;
            }
        };
        let sent = stream.get_mut().write_all(&bytes).and_then(|()| stream.get_mut().flush());
        if sent.is_err() || !goes_on {
            return close(stream, connection, log);
        }
    }
}

fn close(stream: &mut BufReader<impl Read + Write>, connection: usize, log: &Log) {
    drop(stream.get_mut().flush());
    drop(log.state.lock().unwrap().sockets[connection].shutdown(Shutdown::Both));
}

fn request(stream: &mut BufReader<impl Read + Write>, connection: usize, log: &Log) -> Option<Asked> {
    let mut line = || {
        let mut text = String::new();
        stream.read_line(&mut text).ok().filter(|read| *read > 0)?;
        Some(text.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let line = line()?;
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut state = log.state.lock().unwrap();
    let asked = Asked { path, headers, at: Instant::now(), connection, number: state.asked.len() };
    state.asked.push(asked.clone());
    log.changed.notify_all();
    Some(asked)
}
