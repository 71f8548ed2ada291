use std::time::Duration;

/// Limits and windows of a node.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a peer whose connection was lost may take to return before it has left.
    pub suspend_window: Duration,
    /// How long frames of a connection that has not announced itself are held: an rtc.io client that
    /// reconnects sends what it has buffered before its announce.
    pub announce_window: Duration,
    /// Most frames held for one connection or one suspended peer; the newest is dropped beyond it.
    pub hold_frames: usize,
    /// Most bytes held for one connection or one suspended peer; the newest is dropped beyond it.
    pub hold_bytes: usize,
    /// Most bytes held over all connections and suspended peers of the node; the newest is dropped beyond it.
    pub hold_bytes_total: usize,
    /// Pause before a room that the cluster does not know of yet is asserted again.
    pub assert_interval: Duration,
    /// How long what is said to an id that is not in its directory waits for it.
    pub lookup_patience: Duration,
    /// How long an id of a directory is remembered after it was addressed.
    pub lookup_memory: Duration,
    /// Most ids of directories that are remembered; the one addressed longest ago is forgotten beyond it.
    pub lookups: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            suspend_window: Duration::from_secs(8),
            announce_window: Duration::from_secs(1),
            hold_frames: 256,
            hold_bytes: 256 * 1024,
            hold_bytes_total: 64 * 1024 * 1024,
            assert_interval: Duration::from_secs(1),
            lookup_patience: Duration::from_secs(5),
            lookup_memory: Duration::from_secs(60),
            lookups: 16 * 1024,
        }
    }
}
