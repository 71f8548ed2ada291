use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
};

use crate::{PATIENCE, child::Running, get, metric};

/// `turn` on a free port of IPv4's loopback.
const TURN: &str = "127.0.0.1:0";

/// The binary as a process of its own, ended by its pid.
#[derive(Debug)]
pub struct Process {
    running: Running,
    /// Where its WebSockets and pages are.
    pub public: SocketAddr,
    /// Where its metrics are.
    pub admin: SocketAddr,
    /// What it logged until it listened.
    pub logged: Vec<String>,
    /// Where it serves TLS, if it does.
    pub tls: Option<SocketAddr>,
    /// Where it serves TURN over DTLS.
    pub dtls: Option<SocketAddr>,
}

impl Process {
    /// Starts `trunkline signal` on free ports and waits until it listens.
    pub fn signal(options: &[&str]) -> Self {
        let free = [
            "signal",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ];
        Self::start(&[&free, options].concat(), "public")
    }

    /// The same on a port that may be used again, for one that is ended and started again.
    pub fn signal_at(port: u16, options: &[&str]) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let own = [
            "signal",
            "--listen",
            &listen,
            "--admin-listen",
            "127.0.0.1:0",
        ];
        Self::start(&[&own, options].concat(), "public")
    }

    /// Starts `trunkline turn` on free ports; its public address is the relay's.
    pub fn turn(options: &[&str]) -> Self {
        Self::turn_on(TURN, options)
    }

    /// The same, listening where it is told to; the first of its addresses is its public one.
    pub fn turn_on(listen: &str, options: &[&str]) -> Self {
        Self::start(&turn(listen, options), "turn")
    }

    /// The same, in a process that `ulimit` lets have only so many descriptors, such as `-n 300`.
    pub fn turn_with_descriptors(ulimit: &str, options: &[&str]) -> Self {
        let limited = format!("ulimit {ulimit}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &limited]).arg(binary());
        Self::spawn(shell, &turn(TURN, options), "turn")
    }

    /// Starts `trunkline dev` on free ports of IPv4's loopback.
    pub fn dev(options: &[&str]) -> Self {
        let free = [
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--turn-listen",
            TURN,
        ];
        Self::start(&[&free, options].concat(), "public")
    }

    /// Starts `trunkline dev --open` on every address at its usual ports: for a namespace, where they are free.
    pub fn dev_open() -> Self {
        Self::start(&["dev", "--open"], "public")
    }

    fn start(arguments: &[&str], public: &str) -> Self {
        Self::spawn(Command::new(binary()), arguments, public)
    }

    fn spawn(mut command: Command, arguments: &[&str], public: &str) -> Self {
        command
            .args(arguments)
            // glibc gives what is freed back to the system at once, so that resident memory is memory in use.
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .env("MALLOC_TRIM_THRESHOLD_", "65536");
        let mut running = Running::start(&command, |command| command.stderr(Stdio::piped()));
        let (lines, logged) = mpsc::channel();
        let stderr = BufReader::new(running.child().stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let mut process = Self {
            running,
            public: SocketAddr::from(([0; 4], 0)),
            admin: SocketAddr::from(([0; 4], 0)),
            logged: Vec::new(),
            tls: None,
            dtls: None,
        };
        while process.public.port() == 0 || process.admin.port() == 0 {
            let line = logged
                .recv_timeout(PATIENCE)
                .expect("the process to listen");
            for (name, address) in [(public, &mut process.public), ("admin", &mut process.admin)] {
                let wanted = format!("listening name=\"{name}\" address=");
                if let Some((_, text)) = line.split_once(&wanted) {
                    *address = text.parse().unwrap();
                }
            }
            // They are said before the others.
            for (name, address) in [("tls", &mut process.tls), ("dtls", &mut process.dtls)] {
                let wanted = format!("listening name=\"turn-{name}\" address=");
                if let Some((_, text)) = line.split_once(&wanted) {
                    *address = Some(text.parse().unwrap());
                }
            }
            process.logged.push(line);
        }
        process
    }

    /// Lets it open so many more descriptors than it has now.
    pub fn limit_descriptors_to_those_open_and(&self, more: usize) {
        let pid = self.pid();
        let highest = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .to_str()
                    .unwrap()
                    .parse::<usize>()
                    .unwrap()
            })
            .max();
        let limit = highest.unwrap() + 1 + more;
        let limited = Command::new("prlimit")
            .args([format!("--pid={pid}"), format!("--nofile={limit}:{limit}")])
            .status()
            .unwrap();
        assert!(limited.success());
    }

    /// Its resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib * 1024
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.running.is_running()
    }

    /// Tells it that files it reads have changed.
    pub fn hang_up(&self) {
        self.running.hang_up();
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Ends it without a word, as a host that is lost does, and waits until it is gone.
    pub fn kill_9(&mut self) {
        self.running.kill_9();
    }

    /// Stops it where it is; its sockets stay open, and nobody answers.
    pub fn freeze(&self) {
        self.running.freeze();
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        self.running.thaw();
    }

    /// Asks it to end, as a rollout does, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.running.terminate()
    }

    /// The value of a metric, as [`crate::metric`].
    pub async fn metric(&self, name: &str) -> f64 {
        metric(self.admin, name).await
    }

    /// The whole of `/metrics`.
    pub async fn metrics(&self) -> String {
        get(self.admin, "/metrics").await.body
    }
}

fn turn<'a>(listen: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let free = [
        "turn",
        "--turn-listen",
        listen,
        "--admin-listen",
        "127.0.0.1:0",
    ];
    [&free, options].concat()
}

/// The binary, beside the tests' own folder: `target/<profile>/trunkline`.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("trunkline")
}
