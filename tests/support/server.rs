//! A real server for one test: its own folder, its own socket, its own end.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::setup::{Module, Setup};
use super::{Client, Edition, Origin, wait_until};

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
        Setup::new(edition)
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

    /// The names of the module's threads in the server.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("the process runs");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.starts_with("warm-")).collect()
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
        let setup = self.setup.again(module);
        let spare = tempfile::tempdir().expect("a temporary folder can be made");
        let folder = std::mem::replace(&mut self.folder, spare);
        match Server::launch(setup, folder) {
            Ok(server) => server,
            Err(log) => unreachable!("the server did not start again; its log:\n{log}"),
        }
    }

    pub(super) fn launch(setup: Setup, folder: TempDir) -> Result<Self, String> {
        let port = setup.port();
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
