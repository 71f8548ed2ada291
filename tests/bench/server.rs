//! Processes that are measured: each ends by its pid when it is dropped.

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::usage;

/// Longest wait for a process to listen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// One of them.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `command` and waits for a line that has an address behind `mark`.
    pub(crate) fn start(name: &'static str, mut command: Command, mark: &str) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let (lines, said) = mpsc::channel();
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|output| Box::new(output) as _),
            child.stderr.take().map(|output| Box::new(output) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let lines = lines.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = lines.send(line);
                }
            });
        }
        let mut server = Self {
            name,
            child,
            address: SocketAddr::from(([0; 4], 0)),
        };
        while server.address.port() == 0 {
            let line = said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{name} does not listen"));
            if let Some((_, address)) = line.split_once(mark) {
                server.address = read_address(address);
            }
        }
        server
    }

    /// Time on a processor so far, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        usage::cpu_nanos(self.child.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        usage::resident_bytes(self.child.id())
    }
}

/// An address, or a port at this host.
fn read_address(text: &str) -> SocketAddr {
    let word = text.split_whitespace().next().unwrap_or_default();
    if let Ok(address) = word.parse() {
        return address;
    }
    let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
    let port: u16 = digits.parse().expect("an address or a port");
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, beside this program.
pub(crate) fn binary() -> PathBuf {
    let own = env::current_exe().expect("this program's path");
    own.with_file_name("trunkline")
}

/// Whether there is such a program.
pub(crate) fn runs(program: &str) -> bool {
    let version = Command::new(program).arg("--version").output();
    version.is_ok_and(|version| version.status.success())
}
