use std::time::Duration;

/// Times and bounds.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a node counts as alive after its last beat.
    pub lease: Duration,
    /// Between two beats; each is up to a fifth earlier or later.
    pub beat: Duration,
    /// Between two comparisons of a room's version with the store's.
    pub compare: Duration,
    /// How long a forgotten room's channel stays subscribed.
    pub linger: Duration,
    /// Most bytes kept for a node that has not acknowledged them.
    pub ring_bytes: usize,
    /// Most bytes kept for all nodes together.
    pub rings_bytes: usize,
    /// Rooms handed out for comparison at most, in a tenth of a second.
    pub repairs: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            beat: Duration::from_secs(1),
            compare: Duration::from_secs(60),
            linger: Duration::from_secs(5),
            ring_bytes: 8 * 1024 * 1024,
            rings_bytes: 256 * 1024 * 1024,
            repairs: 1000,
        }
    }
}
