//! Nodes over one Redis, of which one after the other is killed and comes back where it was.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use trunkline_tests::{Process, Redis, Seed, free_port};

/// Between two deaths.
const EVERY: Duration = Duration::from_millis(2500);

pub(crate) struct Nodes {
    pub(crate) urls: Vec<String>,
    processes: Vec<Process>,
    options: Vec<String>,
    key: PathBuf,
    _redis: Redis,
}

impl Nodes {
    pub(crate) fn start(count: usize) -> Self {
        let redis = Redis::start();
        let key = std::env::temp_dir().join(format!("couples-key-{}", std::process::id()));
        fs::write(&key, "couples find each other while nodes die").unwrap();
        let options: Vec<String> = [
            "--redis",
            &redis.url(),
            "--cluster-key-file",
            key.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .into();
        let start = |_| start_at(free_port(), &options);
        let processes: Vec<Process> = (0..count).map(start).collect();
        let urls = processes.iter().map(|node| format!("ws://{}", node.public));
        Self {
            urls: urls.collect(),
            processes,
            options,
            key,
            _redis: redis,
        }
    }

    /// Begins to kill.
    pub(crate) fn are_killed(self, mut seed: Seed) -> Killing {
        let is_over = Arc::new(AtomicBool::new(false));
        let is_over_too = is_over.clone();
        let mut nodes = self;
        let killer = thread::spawn(move || {
            let mut deaths = 0;
            thread::sleep(EVERY / 2);
            while !is_over_too.load(Ordering::Relaxed) {
                let index = seed.within(0..nodes.processes.len() as u64);
                let node = &mut nodes.processes[usize::try_from(index).unwrap()];
                node.kill_9();
                deaths += 1;
                let away = Duration::from_millis(seed.within(100..1200));
                thread::sleep(away);
                *node = start_at(node.public.port(), &nodes.options);
                thread::sleep(EVERY - away);
            }
            (nodes, deaths)
        });
        Killing { is_over, killer }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.key);
    }
}

fn start_at(port: u16, options: &[String]) -> Process {
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Process::signal_at(port, &options)
}

pub(crate) struct Killing {
    is_over: Arc<AtomicBool>,
    killer: JoinHandle<(Nodes, usize)>,
}

impl Killing {
    /// Ends it; gives the nodes, which all run, and how many deaths there were.
    pub(crate) async fn stop(self) -> (Nodes, usize) {
        self.is_over.store(true, Ordering::Relaxed);
        let killer = self.killer;
        let ended = tokio::task::spawn_blocking(|| killer.join());
        ended.await.unwrap().unwrap()
    }
}
