//! How a server is reached: a URL or a unix socket, always RESP3, so that records arrive as maps.

use std::path::PathBuf;

use clap::Args;
use redis::{Client, Connection, ConnectionAddr, IntoConnectionInfo, ProtocolVersion};

use super::error::Error;

/// Which server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Server {
    /// The server, as `redis://user:password@host:port/db`; only the host is needed. A password may also come from the
    /// environment: REDISCLI_AUTH.
    #[arg(short, long, global = true, default_value = "redis://127.0.0.1:6379")]
    url: String,
    /// The server's unix socket, instead of a URL.
    #[arg(short, long, global = true, conflicts_with = "url")]
    socket: Option<PathBuf>,
}

impl Server {
    /// The server on a unix socket.
    #[cfg(test)]
    pub(crate) fn on_socket(path: PathBuf) -> Self {
        Server { url: String::new(), socket: Some(path) }
    }

    /// A client for the server; nothing is connected yet. Clones are cheap enough for one a thread.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        let info = match &self.socket {
            Some(path) => ConnectionAddr::Unix(path.clone()).into_connection_info()?,
            None => self.url.as_str().into_connection_info()?,
        };
        let mut settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        if let (None, Ok(password)) = (settings.password(), std::env::var("REDISCLI_AUTH")) {
            settings = settings.set_password(password);
        }
        Ok(Client::open(info.set_redis_settings(settings))?)
    }

    /// One connection.
    pub(crate) fn connect(&self) -> Result<Connection, Error> {
        Ok(self.client()?.get_connection()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_a_server_speaks_resp3() {
        for (url, socket) in [("redis://127.0.0.1:7000/2", None), ("redis://unused", Some(PathBuf::from("/tmp/x")))] {
            let client = Server { url: url.to_owned(), socket: socket.clone() }.client().unwrap();
            let info = client.get_connection_info();
            assert_eq!(info.redis_settings().protocol(), ProtocolVersion::RESP3);
            assert_eq!(matches!(info.addr(), ConnectionAddr::Unix(_)), socket.is_some());
        }
    }

    #[test]
    fn a_wrong_url_is_an_error() {
        let server = Server { url: "http://127.0.0.1".to_owned(), socket: None };
        assert_eq!(server.client().unwrap_err().kind(), crate::cli::Kind::Server);
    }
}
