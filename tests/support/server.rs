//! A real server for one test: its own folder, its own socket, its own end.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{Client, Origin, wait_until};

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
    fn program(self) -> PathBuf {
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
pub(crate) struct Setup {
    edition: Edition,
    module: Module,
    network: Network,
    lines: Vec<String>,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

#[derive(Clone, Copy)]
enum Module {
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

    fn configuration(&self, folder: &Path, port: u16) -> String {
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
        lines.extend(self.lines.iter().map(|line| line.replace("{dir}", &dir)));
        lines.join("\n") + "\n"
    }
}

/// A running server. On drop it is killed by its own process id, its folder is removed, and a test that did not fail
/// already fails if the server had died or a thread of the module had panicked.
pub(crate) struct Server {
    setup: Setup,
    folder: TempDir,
    process: Child,
    port: u16,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    ByGuard,
    ByTest,
}

impl Server {
    /// A server of this edition with the module and its loader commands.
    #[track_caller]
    pub(crate) fn start(edition: Edition) -> Self {
        Self::setup(edition).start()
    }

    /// The same, to be adapted.
    pub(crate) fn setup(edition: Edition) -> Setup {
        Setup {
            edition,
            module: Module::Permissive,
            network: Network::UnixSocket,
            lines: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// A new connection that speaks RESP3.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        self.resp2_client().resp3()
    }

    /// A new connection that speaks RESP2.
    #[track_caller]
    pub(crate) fn resp2_client(&self) -> Client {
        match Client::unix(&self.folder.path().join("socket")) {
            Ok(client) => client,
            Err(error) => unreachable!("no connection ({error}); the server's log:\n{}", self.log()),
        }
    }

    /// A new connection through the port; it speaks RESP3.
    #[track_caller]
    pub(crate) fn tcp_client(&self) -> Client {
        Client::tcp(self.port()).expect("the server listens on its port").resp3()
    }

    /// The port, if it was started [`with_port`](Setup::with_port).
    #[track_caller]
    pub(crate) fn port(&self) -> u16 {
        assert_ne!(self.port, 0, "the server was started without a port");
        self.port
    }

    /// The server's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that the server has said, on its log and on its error output.
    pub(crate) fn log(&self) -> String {
        read_log(self.folder.path())
    }

    /// Defines the loader `content` for `content:{id}` at the origin's `/content/{id}`, one try, plus `options`.
    #[track_caller]
    pub(crate) fn load_content_from(&self, origin: &Origin, options: &str) -> Client {
        let mut client = self.client();
        let url = origin.url();
        client
            .ok(&format!("WARM.LOADER SET content MATCH content:{{id}} URL {url}/content/{{id}} RETRIES 0 {options}"));
        client
    }

    /// How many clients wait for a blocking command.
    pub(crate) fn blocked_clients(&self, client: &mut Client) -> u64 {
        let count = client.info("clients", "blocked_clients").expect("INFO has blocked_clients");
        count.parse().expect("blocked_clients is a number")
    }

    /// The names of the server's threads, sorted; those of its own allocator come and go and are left out.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("the process runs");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        let mut names: Vec<String> = names.filter(|name| !name.starts_with("jemalloc")).collect();
        names.sort();
        names
    }

    /// Waits until exactly this many clients are blocked.
    #[track_caller]
    pub(crate) fn wait_for_blocked(&self, count: u64) {
        let mut client = self.resp2_client();
        wait_until(&format!("{count} blocked clients"), || self.blocked_clients(&mut client) == count);
    }

    /// Waits until this replica has caught up with its master.
    #[track_caller]
    pub(crate) fn wait_for_sync(&self) {
        let mut client = self.resp2_client();
        wait_until("the replica's link is up", || {
            client.info("replication", "master_link_status").as_deref() == Some("up")
        });
    }

    /// Waits for the server to end by itself (the test asked it to); true if it ended well.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> bool {
        self.end = End::ByTest;
        let mut status = None;
        wait_until("the server has ended", || {
            status = self.process.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        status.is_some_and(|status| status.success())
    }

    /// Kills the server and starts it again in the same folder with the same configuration.
    #[track_caller]
    pub(crate) fn restart(self) -> Self {
        let module = self.setup.module;
        self.start_again(module)
    }

    /// Kills the server and starts one in the same folder that never heard of the module.
    #[track_caller]
    pub(crate) fn restart_plain(self) -> Self {
        self.start_again(Module::Absent)
    }

    #[track_caller]
    fn start_again(mut self, module: Module) -> Self {
        let wrong = self.finish();
        assert!(wrong.is_none(), "{wrong:?}; its log:\n{}", self.log());
        self.end = End::ByTest;
        let setup = Setup {
            edition: self.setup.edition,
            module,
            network: self.setup.network,
            lines: std::mem::take(&mut self.setup.lines),
            files: Vec::new(),
            environment: std::mem::take(&mut self.setup.environment),
        };
        let spare = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = std::mem::replace(&mut self.folder, spare);
        match Server::launch(setup, folder) {
            Ok(server) => server,
            Err(log) => unreachable!("the server did not start again; its log:\n{log}"),
        }
    }

    fn launch(setup: Setup, folder: TempDir) -> Result<Self, String> {
        let port = match setup.network {
            Network::UnixSocket => 0,
            Network::UnixSocketAndPort => free_port(),
        };
        let path = folder.path();
        let file = path.join("server.conf");
        std::fs::write(&file, setup.configuration(path, port)).expect("the configuration can be written");
        let log = File::create(path.join("log")).expect("the log can be made");
        let process = Command::new(setup.edition.program())
            .arg(&file)
            .envs(setup.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file handle can be copied"))
            .stdout(log)
            .spawn()
            .expect("the server's program can be run");
        let mut server = Server { setup, folder, process, port, end: End::ByGuard };
        let mut ended = false;
        wait_until("the server answers", || {
            ended = !server.is_running();
            ended || server.answers()
        });
        if !ended {
            return Ok(server);
        }
        server.end = End::ByTest;
        Err(server.log())
    }

    fn answers(&self) -> bool {
        let Ok(mut client) = Client::unix(&self.folder.path().join("socket")) else { return false };
        client.send("PING");
        client.receive_or_closed().is_some_and(|reply| reply == "PONG")
    }

    fn is_running(&mut self) -> bool {
        self.process.try_wait().expect("a child can be looked at").is_none()
    }

    /// Ends the process and says what was wrong with its life, if anything was.
    fn finish(&mut self) -> Option<&'static str> {
        let died = self.end == End::ByGuard && !self.is_running();
        // An error here means that the process has ended already; the wait below tells.
        let _ = self.process.kill();
        self.process.wait().expect("a child can be waited for");
        let log = self.log();
        if died {
            Some("the server died")
        } else if log.contains("BUG REPORT") {
            Some("the server crashed")
        } else if log.contains("panicked at") {
            Some("the module panicked")
        } else {
            None
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let wrong = self.finish();
        if std::thread::panicking() {
            eprintln!("log of the {:?} server:\n{}", self.setup.edition, self.log());
        } else if let Some(wrong) = wrong {
            unreachable!("{wrong}; its log:\n{}", self.log());
        }
    }
}

fn read_log(folder: &Path) -> String {
    let bytes = std::fs::read(folder.join("log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("this machine has free ports");
    listener.local_addr().expect("a listener has an address").port()
}
