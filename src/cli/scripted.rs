//! A server for tests: it answers each command with what a closure says, in RESP3.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::connection::Server;

/// A scripted server; it accepts connections until the process ends.
pub(crate) struct Scripted {
    folder: TempDir,
    received: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// A server that answers with what `reply` returns for the words of a command, joined by spaces. The handshake is
    /// answered already.
    pub(crate) fn new(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (reply, log) = (Arc::new(reply), received.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, log) = (reply.clone(), log.clone());
                thread::spawn(move || answer(stream.unwrap(), &*reply, &log));
            }
        });
        Scripted { folder, received }
    }

    /// How to reach it.
    pub(crate) fn address(&self) -> Server {
        Server::on_socket(self.folder.path().join("socket"))
    }

    /// The commands so far, without the handshake.
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

/// A map as RESP3 sends it; values that are numbers go as integers.
pub(crate) fn map(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| match value.parse::<i64>() {
        Ok(number) => format!("+{name}\r\n:{number}\r\n"),
        Err(_) => format!("+{name}\r\n+{value}\r\n"),
    });
    format!("%{}\r\n{}", fields.len(), pairs.collect::<String>())
}

fn answer(stream: UnixStream, reply: &impl Fn(&str) -> String, log: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(count) = number(&mut reader) {
        let words: Vec<String> = (0..count).map(|_| word(&mut reader)).collect();
        let text = match words[0].as_str() {
            "HELLO" => map(&[("proto", "3")]),
            "CLIENT" => "+OK\r\n".to_owned(),
            _ => {
                let line = words.join(" ");
                log.lock().unwrap().push(line.clone());
                reply(&line)
            }
        };
        if writer.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

/// The number of the next `*n` or `$n` line; nothing at the end of the stream.
fn number(reader: &mut impl BufRead) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&length| length > 0)?;
    line.trim_end().get(1..)?.parse().ok()
}

fn word(reader: &mut impl BufRead) -> String {
    let mut bytes = vec![0; number(reader).unwrap() + 2];
    reader.read_exact(&mut bytes).unwrap();
    bytes.truncate(bytes.len() - 2);
    String::from_utf8_lossy(&bytes).into_owned()
}
