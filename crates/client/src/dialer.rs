//! When a socket is made, to which node, and when one is no longer believed in.

use std::time::{Duration, Instant};

const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
// A network that has lost its way tells nobody. Nodes see to it on their side.
const QUIET: Duration = Duration::from_secs(20);
const PONG_TIMEOUT: Duration = Duration::from_secs(4);

const FIRST_DELAY: Duration = Duration::from_millis(100);
const IN_WINDOW: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How long after a loss its own last socket may still be what a node takes for the newer one.
const FRESH: Duration = Duration::from_secs(10);
/// Two clients that put each other out do so no more often.
const REPEAT: Duration = Duration::from_secs(60);

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a socket, to the node of this index.
    Open(usize),
    /// Send a `ping`: a frame was to come long ago.
    Ping,
    /// The socket, or what was to become one, is dead. [`Dialer::lost`] is to be told as of any other loss.
    Drop,
}

/// One connection that comes back by itself, to one of several nodes in turn, and is not trusted when it says nothing.
#[derive(Debug)]
pub struct Dialer {
    nodes: usize,
    /// The node that is next.
    next: usize,
    stage: Stage,
    /// Tries since the loss.
    attempt: u32,
    lost_at: Option<Instant>,
    returned_at: Option<Instant>,
    repeated_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting { until: Instant },
    Opening { until: Instant },
    Greeting { until: Instant },
    Hearing { until: Instant },
    Pinged { until: Instant },
    Dropped,
    Over,
}

impl Dialer {
    /// One that makes its first socket at once, to a node picked by `random`, from 0 to below 1.
    pub fn new(nodes: usize, now: Instant, random: f64) -> Self {
        Self {
            nodes: nodes.max(1),
            next: (random * nodes as f64) as usize,
            stage: Stage::Waiting { until: now },
            attempt: 0,
            lost_at: None,
            returned_at: None,
            repeated_at: None,
        }
    }

    /// A socket has opened.
    pub fn opened(&mut self, now: Instant) {
        let until = now + GREETING_TIMEOUT;
        self.stage = Stage::Greeting { until };
    }

    /// Something has come: whatever it is, the way is open.
    pub fn heard(&mut self, now: Instant) {
        let until = now + QUIET;
        self.stage = Stage::Hearing { until };
    }

    /// What we came for has been had: the next loss is a new one.
    pub fn settled(&mut self, now: Instant) {
        self.attempt = 0;
        if self.lost_at.take().is_some() {
            self.returned_at = Some(now);
        }
    }

    /// Another socket has taken our place, with our token. Whether it may have been our own last one, so that once more
    /// decides: this one has taken the place of one that was lost just now, for the first time in a while.
    pub fn superseded(&mut self, now: Instant) -> bool {
        let is_within = |at: Option<Instant>, time| at.is_some_and(|at| now - at < time);
        let is_fresh = is_within(self.lost_at.or(self.returned_at), FRESH);
        let is_own = is_fresh && !is_within(self.repeated_at, REPEAT);
        if is_own {
            self.repeated_at = Some(now);
        }
        is_own
    }

    /// The socket is lost, or was not to be had. Gives in how long there is another try: with full jitter, so that those
    /// who lost a node together do not come back together. While the `window` runs in which nobody is told that we have
    /// left, that is a second at most; afterwards there is no hurry.
    pub fn lost(&mut self, now: Instant, window: Duration, random: f64) -> Duration {
        let lost_at = *self.lost_at.get_or_insert(now);
        let most = match now.duration_since(lost_at) < window {
            true => IN_WINDOW,
            false => LONGEST_DELAY,
        };
        let grown = FIRST_DELAY * (1 << self.attempt.min(20));
        let delay = grown.min(most).mul_f64(random.clamp(0.0, 1.0));
        self.attempt = self.attempt.saturating_add(1);
        let until = now + delay;
        self.stage = Stage::Waiting { until };
        delay
    }

    /// No socket is made any more.
    pub fn close(&mut self) {
        self.stage = Stage::Over;
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Waiting { until }
            | Stage::Opening { until }
            | Stage::Greeting { until }
            | Stage::Hearing { until }
            | Stage::Pinged { until } => Some(until),
            Stage::Dropped | Stage::Over => None,
        }
    }

    /// It is so late now.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Step> {
        self.poll_timeout().filter(|until| *until <= now)?;
        match self.stage {
            Stage::Waiting { .. } => {
                let until = now + OPEN_TIMEOUT;
                self.stage = Stage::Opening { until };
                let node = self.next % self.nodes;
                // Whoever comes back tries another one first.
                self.next = (node + 1) % self.nodes;
                Some(Step::Open(node))
            }
            Stage::Hearing { .. } => {
                let until = now + PONG_TIMEOUT;
                self.stage = Stage::Pinged { until };
                Some(Step::Ping)
            }
            Stage::Opening { .. } | Stage::Greeting { .. } | Stage::Pinged { .. } => {
                self.stage = Stage::Dropped;
                Some(Step::Drop)
            }
            Stage::Dropped | Stage::Over => None,
        }
    }
}

#[cfg(test)]
mod tests;
