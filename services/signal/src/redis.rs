use std::{sync::Arc, time::Duration};

use backplane::{
    Backplane, Events, Memory, NodeId,
    fleet::Fleet,
    partition::Config,
    redis::{Options, Redis, UrlError},
};
use clap::Args;

use crate::config::between;

/// Options of a node in a cluster.
#[derive(Args, Clone, Debug)]
pub struct RedisArgs {
    /// Redis 7 or later, through which this node and others are one: redis://[USER:PASSWORD@]HOST[:PORT],
    /// redis-sentinel://HOST:PORT,HOST:PORT/MASTER or redis-cluster://HOST:PORT,HOST:PORT; several independent
    /// servers, separated by commas and the same for every node, share the rooms. Without it the node is alone
    #[arg(
        long,
        env = "TRUNKLINE_REDIS",
        value_name = "URL",
        value_parser = urls,
        hide_env_values = true
    )]
    pub redis: Option<String>,

    /// What every key and channel in Redis begins with; nodes with different ones are different clusters
    #[arg(
        long,
        env = "TRUNKLINE_REDIS_PREFIX",
        value_name = "TEXT",
        value_parser = prefix,
        default_value = "trunkline:"
    )]
    pub redis_prefix: String,

    /// Where this node is: its clients are told of relays of the same region first
    #[arg(
        long,
        env = "TRUNKLINE_REGION",
        value_name = "NAME",
        value_parser = region,
        default_value = "default"
    )]
    pub region: String,

    /// How long a node that is not heard of counts as alive; the peers of one that died are told to have left up
    /// to four seconds later. Never less than the suspend window and a fifth of this
    #[arg(
        long,
        env = "TRUNKLINE_LEASE",
        value_name = "DURATION",
        value_parser = lease,
        default_value = "10s"
    )]
    pub lease: Duration,
}

/// Each node beats so many times in a lease.
const BEATS: u32 = 10;

impl RedisArgs {
    /// Of a node without others, or with others that are reached in another way.
    pub fn alone() -> Self {
        Self {
            redis: None,
            redis_prefix: "trunkline:".into(),
            region: "default".into(),
            lease: Duration::from_secs(10),
        }
    }

    /// The node's way to the others: Redis, or this process's memory. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`UrlError`] where `--redis` cannot be read.
    pub(crate) fn attach(
        &self,
        window: Duration,
        random: u64,
    ) -> Result<(Arc<dyn Backplane>, Events), UrlError> {
        let Some(urls) = &self.redis else {
            return Ok(Memory::default().attach(NodeId("local".into())));
        };
        let beat = self.lease / BEATS;
        let config = Config {
            // A peer that returns within its window must find its place: its node's lease has to outlast it.
            lease: self.lease.max(window + beat * 2),
            beat,
            ..Config::default()
        };
        let prefix = self.prefix();
        let options = Options { prefix, config };
        let node = NodeId(format!("{random:016x}").into());
        Ok(Redis::new(urls, options)?.attach(node))
    }

    /// The way to the cluster's relays, if there is a cluster. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`UrlError`] where `--redis` cannot be read.
    pub(crate) fn attach_fleet(&self) -> Result<Option<Arc<dyn Fleet>>, UrlError> {
        let Some(urls) = &self.redis else {
            return Ok(None);
        };
        let options = Options {
            prefix: self.prefix(),
            ..Options::default()
        };
        // Who is put out is the relays' business.
        let (fleet, _) = Redis::new(urls, options)?.attach_fleet();
        Ok(Some(fleet))
    }

    fn prefix(&self) -> String {
        format!("{}{}:", self.redis_prefix, backplane::redis::LAYOUT)
    }
}

fn region(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(plain) {
        return Err("write up to 64 letters, digits, dots, hyphens and underscores".into());
    }
    Ok(text.into())
}

fn urls(text: &str) -> Result<String, UrlError> {
    Redis::new(text, Options::default()).map(|_| text.into())
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(['{', '}']) || text.contains(char::is_whitespace) {
        return Err("must not be empty, and have neither braces nor spaces".into());
    }
    Ok(text.into())
}

fn lease(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_secs(1), Duration::from_secs(600))
}
