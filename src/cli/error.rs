//! What ends a command early.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// An error of `warmctl`.
#[derive(Debug, Error)]
pub enum Error {
    /// The server could not be reached or refused a command.
    #[error("{0}")]
    Server(redis::RedisError),
    /// The server does not know our commands.
    #[error("this server does not have the warm module; load it with: loadmodule /path/to/libredis_warm.so")]
    NoModule,
    /// A reply of the server lacks what its contract promises.
    #[error("the server's reply to {command} has no {field}: is it a newer or older version of the module?")]
    Reply {
        /// The command.
        command: &'static str,
        /// The field that is missing or of another form.
        field: &'static str,
    },
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of a trace cannot be used.
    #[error("{}: {problem}", path.display())]
    Trace {
        /// The trace.
        path: PathBuf,
        /// What is wrong, with the line where it is known.
        problem: String,
    },
    /// The server made no progress.
    #[error("{0}")]
    Stuck(String),
}

/// The kinds of error, for callers that decide by them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The server, or the way to it.
    Server,
    /// A file or what it contains.
    File,
}

impl Error {
    /// What the error is about.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Server(_) | Error::NoModule | Error::Reply { .. } | Error::Stuck(_) => Kind::Server,
            Error::File { .. } | Error::Trace { .. } => Kind::File,
        }
    }

    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::File { path: path.to_owned(), source }
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        let unknown = error.detail().is_some_and(|detail| detail.starts_with("unknown command 'WARM."));
        if unknown { Error::NoModule } else { Error::Server(error) }
    }
}
