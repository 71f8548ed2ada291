use std::{
    io::Read,
    process::{Command, Stdio},
    thread::{self, JoinHandle},
};

use crate::child::Running;

/// The test binary that runs, run once more for one of its tests; it ends with the test that started it.
#[derive(Debug)]
pub struct Again {
    running: Running,
    output: JoinHandle<String>,
}

impl Again {
    /// Starts it for the test of this name, with these variables.
    pub fn start(test: &str, variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", test])
            .envs(variables.iter().map(|(name, value)| (name, value)));
        let mut running = Running::start(&command, |command| command.stdout(Stdio::piped()));
        let mut stdout = running.child().stdout.take().unwrap();
        let output = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { running, output }
    }

    /// Ends it; returns what it said of its test.
    pub fn end(self) -> String {
        drop(self.running);
        self.output.join().unwrap()
    }
}
