use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{PATIENCE, Reply, child::Running, free_port, resp::Administrator};

/// Runs a command on a connection of its own.
pub(crate) fn call(port: u16, command: &[&str]) -> std::io::Result<Reply> {
    Administrator::connect(port)?.call(command)
}

/// Asks until the answer is good; panics with `what` when it never is.
#[track_caller]
pub(crate) fn until(what: &str, bound: Duration, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + bound;
    while !is_so() {
        assert!(Instant::now() < end, "waited for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A process that speaks Redis's protocol, in a folder of its own.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    program: &'static str,
    arguments: Vec<String>,
    running: Option<Running>,
    folder: Folder,
}

impl Server {
    /// Starts a program with what `options` says for its port and folder, and waits until it answers. A port that
    /// somebody else took meanwhile is given up for another.
    pub(crate) fn start(
        program: &'static str,
        options: impl Fn(u16, &Path) -> Vec<String>,
    ) -> Self {
        for _ in 0..5 {
            let (port, folder) = (free_port(), Folder::new());
            let mut server = Self {
                port,
                program,
                arguments: options(port, &folder.0),
                running: None,
                folder,
            };
            if program == "redis-server" {
                let own = usual(port, &server.folder.0);
                server.arguments.splice(0..0, own);
            }
            if server.launch() {
                return server;
            }
        }
        panic!("{program} does not start; Debian has it in the package of that name");
    }

    pub(crate) fn start_again(&mut self) {
        assert!(self.launch(), "{} does not start again", self.program);
    }

    #[track_caller]
    pub(crate) fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("a process that was started")
    }

    /// Whether it answers in the end; not when it ended by itself.
    fn launch(&mut self) -> bool {
        let mut command = Command::new(self.program);
        command.args(&self.arguments);
        let running = Running::start(&command, |command| {
            command.stdin(Stdio::null()).stdout(Stdio::null())
        });
        let running = self.running.insert(running);
        let pid = format!("process_id:{}\r", running.pid());
        let end = Instant::now() + PATIENCE;
        while running.is_running() {
            // Its own answer, not that of another which had the port first.
            if let Ok(Reply::Text(info)) = call(self.port, &["INFO", "server"])
                && info.contains(&pid)
            {
                return true;
            }
            assert!(Instant::now() < end, "{} does not answer", self.program);
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// How every `redis-server` here is run.
fn usual(port: u16, folder: &Path) -> Vec<String> {
    let port = port.to_string();
    let folder = folder.display().to_string();
    [
        ["--port", &port],
        ["--bind", "127.0.0.1"],
        ["--dir", &folder],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--enable-debug-command", "yes"],
        ["--repl-diskless-sync-delay", "0"],
        ["--repl-diskless-load", "swapdb"],
    ]
    .concat()
    .into_iter()
    .map(str::to_owned)
    .collect()
}

/// A folder that goes away again.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("trunkline-redis-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
