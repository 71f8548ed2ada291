use std::{
    fs,
    time::{Duration, Instant},
};

use super::{
    Redis,
    server::{Server, call, until},
};
use crate::Reply;

/// What the Sentinels call the master.
const NAME: &str = "mymaster";

/// Longest wait for a new master.
const FAILOVER: Duration = Duration::from_secs(30);

/// A master, two replicas, and three Sentinels that miss a master after a second.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Redis>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Starts them and waits until every Sentinel knows all the others and both replicas.
    pub fn start() -> Self {
        let master = Redis::start();
        let port = master.port().to_string();
        let replica = ["--replicaof", "127.0.0.1", &port];
        let servers = vec![
            master,
            Redis::start_with(&replica),
            Redis::start_with(&replica),
        ];
        for replica in &servers[1..] {
            until("a replica to be in step", FAILOVER, || {
                let info = replica.cli(&["INFO", "replication"]).text();
                info.contains("master_link_status:up")
            });
        }
        let sentinels: Vec<Server> = (0..3).map(|_| sentinel(servers[0].port())).collect();
        let fixture = Self { servers, sentinels };
        for sentinel in &fixture.sentinels {
            // Usually they look for each other every 2 s, and for replicas every 10 s. After four of the former they
            // undo a promotion of which its author has not told them.
            let hurry = ["SENTINEL", "DEBUG", "publish-period", "500"];
            call(
                sentinel.port,
                &[&hurry[..], &["info-period", "200"]].concat(),
            )
            .unwrap();
        }
        fixture.settle();
        fixture
    }

    /// Where they are, as `--redis` takes it.
    pub fn url(&self) -> String {
        let places: Vec<String> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", sentinel.port))
            .collect();
        format!("redis-sentinel://{}/{NAME}", places.join(","))
    }

    /// The master that all Sentinels agree on and that says so itself; none while there is none.
    pub fn master(&self) -> Option<&Redis> {
        let mut named = self.sentinels.iter().map(|sentinel| {
            let answer = call(
                sentinel.port,
                &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME],
            );
            answer.ok()?.list().get(1)?.clone().text().parse().ok()
        });
        let port: u16 = named.next()??;
        if !named.all(|other| other == Some(port)) {
            return None;
        }
        let server = self.servers.iter().find(|server| server.port() == port)?;
        let role = call(port, &["ROLE"]).ok()?.list();
        (role.first() == Some(&Reply::Text("master".to_owned()))).then_some(server)
    }

    /// Has another server made the master, in order, and waits until it is.
    pub fn failover(&self) {
        let old = self.master().expect("a master").port();
        // One that has begun may be given up, and is not begun again by itself.
        let mut asked: Option<Instant> = None;
        until("another master, as was asked for", FAILOVER, || {
            if asked.is_none_or(|at| at.elapsed() > FAILOVER / 5) {
                let begun = call(self.sentinels[0].port, &["SENTINEL", "FAILOVER", NAME]);
                if matches!(begun, Ok(Reply::Text(_))) {
                    asked = Some(Instant::now());
                }
            }
            self.master().is_some_and(|master| master.port() != old)
        });
    }

    /// Kills the master and waits until there is another.
    pub fn kill_the_master(&mut self) {
        let old = self.master().expect("a master").port();
        self.server(old).kill();
        self.until_another_than(old);
    }

    /// Freezes the master and waits until there is another; returns the port of the old one, for [`Self::thaw`].
    pub fn freeze_the_master(&mut self) -> u16 {
        let old = self.master().expect("a master").port();
        self.server(old).freeze();
        self.until_another_than(old);
        old
    }

    /// Lets a frozen server go on: it believes that it is the master until a Sentinel tells it otherwise.
    pub fn thaw(&mut self, port: u16) {
        self.server(port).thaw();
    }

    /// Waits until there is a master with two replicas in step: without one, nobody can succeed it.
    pub fn until_whole(&self) {
        until("a master with two replicas", FAILOVER, || {
            self.master().is_some_and(|master| {
                let info = master.cli(&["INFO", "replication"]).text();
                info.matches("state=online").count() == self.servers.len() - 1
            })
        });
        self.settle();
    }

    /// Starts what was killed again, and waits until there is a master with two replicas.
    pub fn start_again(&mut self, port: u16) {
        self.server(port).server.start_again();
        self.settle();
    }

    fn server(&mut self, port: u16) -> &mut Redis {
        let mut servers = self.servers.iter_mut();
        servers
            .find(|server| server.port() == port)
            .expect("one of ours")
    }

    fn until_another_than(&self, old: u16) {
        until("another master", FAILOVER, || {
            self.master().is_some_and(|master| master.port() != old)
        });
    }

    fn settle(&self) {
        for sentinel in &self.sentinels {
            until("a Sentinel to know all", FAILOVER, || {
                let Ok(state) = call(sentinel.port, &["SENTINEL", "MASTER", NAME]) else {
                    return false;
                };
                let field = |name| state.clone().field(name);
                field("num-other-sentinels").as_deref() == Some("2")
                    && field("num-slaves").as_deref() == Some("2")
                    && field("flags").as_deref() == Some("master")
            });
        }
        until("a master", FAILOVER, || self.master().is_some());
    }
}

fn sentinel(master: u16) -> Server {
    Server::start("redis-sentinel", |port, folder| {
        let path = folder.join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {folder}\n\
             sentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 3000\n",
            folder = folder.display()
        );
        fs::write(&path, text).unwrap();
        vec![path.display().to_string()]
    })
}
