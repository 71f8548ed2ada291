//! Real Redis servers: one, one watched by Sentinels, and a cluster.

mod cluster;
mod sentinels;
mod server;

use std::time::Duration;

pub use cluster::RedisCluster;
pub use sentinels::Sentinels;
use server::{Server, call};

use crate::{Reply, resp::Administrator};

/// One `redis-server` on a free port, without persistence; it ends with its test.
///
/// Its methods wait without a runtime: a test that has others to attend to meanwhile has several worker threads.
#[derive(Debug)]
pub struct Redis {
    server: Server,
}

impl Redis {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        Self {
            server: Server::start("redis-server", |_, _| Vec::new()),
        }
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        Self {
            server: Server::start("redis-server", |_, _| options.clone()),
        }
    }

    /// Where it is, as `--redis` takes it.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Ends it in order and waits until it is gone; what it knew is lost.
    pub fn stop(&mut self) {
        self.server.running().terminate();
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.server.running().kill_9();
    }

    /// Starts it again where it was, empty, and waits until it answers.
    pub fn start_again(&mut self) {
        self.server.start_again();
    }

    /// Stops it where it is; its sockets stay open, and nobody answers.
    pub fn freeze(&mut self) {
        self.server.running().freeze();
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&mut self) {
        self.server.running().thaw();
    }

    /// Runs a command on a connection of its own; an error is an answer too.
    #[track_caller]
    pub fn cli(&self, command: &[&str]) -> Reply {
        call(self.port(), command).expect("Redis to answer")
    }

    /// Ends every connection of these: `normal`, `pubsub`, `replica`. Returns how many there were.
    #[track_caller]
    pub fn disconnect(&self, kind: &str) -> i64 {
        self.cli(&["CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes"])
            .number()
    }

    /// Keeps it busy with nothing for so long, and does not wait for that.
    pub fn sleep(&self, length: Duration) {
        let length = length.as_secs_f64().to_string();
        let mut administrator = Administrator::connect(self.port()).expect("Redis");
        administrator
            .send(&["DEBUG", "SLEEP", &length])
            .expect("Redis to take a command");
    }

    /// How often each command was called since its start or since `CONFIG RESETSTAT`, by name as `publish` or
    /// `client|kill`; what scripts call is counted too.
    pub fn commands(&self) -> Vec<(String, u64)> {
        let text = self.cli(&["INFO", "commandstats"]).text();
        let counts = text.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let count = rest.split(',').next()?.parse().ok()?;
            Some((name.to_owned(), count))
        });
        counts.collect()
    }

    /// How often one command was called, as in [`Self::commands`].
    pub fn calls(&self, command: &str) -> u64 {
        let counts = self.commands();
        let found = counts.iter().find(|(name, _)| name == command);
        found.map_or(0, |(_, count)| *count)
    }
}
