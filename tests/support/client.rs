//! A connection to a server: commands out, replies in, also one without waiting for the other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use redis::{Parser, Value};

use super::{DEADLINE, Reply};

/// A connection. Dropping it closes it at once, also in the middle of a command.
pub(crate) struct Client {
    stream: Stream,
    parser: Parser,
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Client {
    /// Connects to a unix socket; RESP2, as every connection at first.
    pub(crate) fn unix(path: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Client { stream: Stream::Unix(stream), parser: Parser::new() })
    }

    /// Connects to a port of this machine.
    pub(crate) fn tcp(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: Stream::Tcp(stream), parser: Parser::new() })
    }

    /// Speaks RESP3 from now on.
    #[track_caller]
    pub(crate) fn resp3(mut self) -> Self {
        self.run("HELLO 3").fine();
        self
    }

    /// Runs a command given as words parted by blanks, and waits for the reply.
    #[track_caller]
    pub(crate) fn run(&mut self, words: &str) -> Reply {
        self.send(words);
        self.receive()
    }

    /// Runs a command whose reply must be OK.
    #[track_caller]
    pub(crate) fn ok(&mut self, words: &str) {
        let reply = self.run(words);
        assert_eq!(reply, "OK", "{words}");
    }

    /// Runs a command given as arguments, which may hold blanks or any bytes.
    #[track_caller]
    pub(crate) fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send_call(arguments);
        self.receive()
    }

    /// Sends a command without waiting for its reply.
    #[track_caller]
    pub(crate) fn send(&mut self, words: &str) {
        self.send_call(&words.split_whitespace().collect::<Vec<_>>());
    }

    /// [`call`](Self::call) without waiting for the reply.
    #[track_caller]
    pub(crate) fn send_call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        let arguments: Vec<Vec<u8>> = arguments.iter().map(|argument| argument.as_ref().to_vec()).collect();
        self.send_bytes(&redis::pack_command(&arguments));
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes what is sent");
    }

    /// The next reply.
    #[track_caller]
    pub(crate) fn receive(&mut self) -> Reply {
        match self.parser.parse_value(&mut self.stream) {
            Ok(value) => Reply(value),
            Err(error) => unreachable!("no reply: {error}"),
        }
    }

    /// The next reply, or nothing if the server closed the connection instead.
    pub(crate) fn receive_or_closed(&mut self) -> Option<Reply> {
        self.parser.parse_value(&mut self.stream).ok().map(Reply)
    }

    /// The id by which the server knows this connection.
    #[track_caller]
    pub(crate) fn id(&mut self) -> i64 {
        self.run("CLIENT ID").int()
    }

    /// A key's value: the text, or nothing.
    #[track_caller]
    pub(crate) fn value_of(&mut self, key: &str) -> Option<String> {
        let reply = self.call(&["GET", key]).fine();
        match reply.0 {
            Value::Nil => None,
            _ => Some(reply.text()),
        }
    }

    /// A line of an INFO section: the text after `name:`.
    #[track_caller]
    pub(crate) fn info(&mut self, section: &str, name: &str) -> Option<String> {
        let text = self.call(&["INFO", section]).fine().text();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buffer),
            Stream::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
