//! How a server is to be started: which one, with or without the module, and with which configuration.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::Server;

/// The servers that are supported, and that every test here runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edition {
    /// Redis 7.0.
    Redis70,
    /// Redis 8.2.
    Redis82,
    /// Valkey 9.1.
    Valkey91,
}

impl Edition {
    /// Where `scripts/setup` puts this server.
    pub(super) fn program(self) -> PathBuf {
        let name = match self {
            Edition::Redis70 => "redis-7.0",
            Edition::Redis82 => "redis-8.2",
            Edition::Valkey91 => "valkey-9.1",
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers").join(name);
        assert!(path.exists(), "{} is missing: run scripts/setup", path.display());
        path
    }

    /// Whether commands of modules may have ACL categories of their own here.
    pub(crate) fn has_module_categories(self) -> bool {
        self != Edition::Redis70
    }
}

/// The module's file: what `REDIS_WARM_SO` names, or else what was built together with this test.
pub(crate) fn module_file() -> PathBuf {
    let path = std::env::var_os("REDIS_WARM_SO").map(PathBuf::from).unwrap_or_else(|| {
        let test = std::env::current_exe().expect("a running program has a path");
        let folder = test.parent().expect("a program is in a folder");
        let beside = folder.join("libredis_warm.so");
        if beside.exists() { beside } else { folder.with_file_name("libredis_warm.so") }
    });
    assert!(path.exists(), "{} is missing: run cargo build", path.display());
    path.canonicalize().expect("the module's path is readable")
}

/// How a server is to be started.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(super) edition: Edition,
    pub(super) module: Module,
    network: Network,
    lines: Vec<String>,
    files: Vec<(String, String)>,
    pub(super) environment: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
pub(super) enum Module {
    /// With `warm.enable-loader-commands yes`.
    Permissive,
    /// Without it.
    Strict,
    Absent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    UnixSocket,
    UnixSocketAndPort,
}

impl Setup {
    /// The module with its loader commands enabled, on a unix socket alone.
    pub(super) fn new(edition: Edition) -> Self {
        Setup {
            edition,
            module: Module::Permissive,
            network: Network::UnixSocket,
            lines: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The same once more, with or without the module.
    pub(super) fn again(&self, module: Module) -> Self {
        Setup { module, files: Vec::new(), ..self.clone() }
    }

    /// Adds a line to the configuration file; `{dir}` is the server's folder.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Puts a file into the server's folder before it starts.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Sets a variable of the server's environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A server that never heard of the module.
    pub(crate) fn plain(mut self) -> Self {
        self.module = Module::Absent;
        self
    }

    /// Does not enable the commands that change loaders.
    pub(crate) fn without_permission(mut self) -> Self {
        self.module = Module::Strict;
        self
    }

    /// Listens on a port of this machine, too.
    pub(crate) fn with_port(mut self) -> Self {
        self.network = Network::UnixSocketAndPort;
        self
    }

    /// A replica of `master`, which was started [`with_port`](Self::with_port).
    pub(crate) fn replica_of(self, master: &Server) -> Self {
        self.line(&format!("replicaof 127.0.0.1 {}", master.port()))
    }

    /// Starts the server and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        match self.launch() {
            Ok(server) => server,
            Err(log) => unreachable!("the server did not start; its log:\n{log}"),
        }
    }

    /// Starts a server that is expected to refuse to start; gives its log.
    #[track_caller]
    pub(crate) fn refuse(self) -> String {
        match self.launch() {
            Ok(_) => unreachable!("the server started although it should have refused to"),
            Err(log) => log,
        }
    }

    fn launch(self) -> Result<Server, String> {
        let folder = tempfile::Builder::new().prefix("warm").tempdir().expect("a temporary folder can be made");
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).expect("a file can be written there");
        }
        Server::launch(self, folder)
    }

    /// The port to listen on; 0 for none.
    pub(super) fn port(&self) -> u16 {
        match self.network {
            Network::UnixSocket => 0,
            Network::UnixSocketAndPort => free_port(),
        }
    }

    /// The text of the configuration file.
    pub(super) fn configuration(&self, folder: &Path, port: u16) -> String {
        let dir = folder.display().to_string();
        let mut lines = vec![
            format!("dir {dir}"),
            format!("unixsocket {dir}/socket"),
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            "save \"\"".to_owned(),
            "enable-debug-command yes".to_owned(),
            "enable-module-command yes".to_owned(),
            "repl-diskless-sync-delay 0".to_owned(),
        ];
        if matches!(self.module, Module::Permissive | Module::Strict) {
            lines.push(format!("loadmodule {}", module_file().display()));
        }
        if let Module::Permissive = self.module {
            lines.push("warm.enable-loader-commands yes".to_owned());
        }
        // A server without the module does not know its directives.
        let known = |line: &&String| !matches!(self.module, Module::Absent) || !line.starts_with("warm.");
        lines.extend(self.lines.iter().filter(known).map(|line| line.replace("{dir}", &dir)));
        lines.join("\n") + "\n"
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("this machine has free ports");
    listener.local_addr().expect("a listener has an address").port()
}
