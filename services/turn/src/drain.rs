//! The end of a relay that is not to cut anybody off.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::control::Control;

/// Between two looks at whether any allocation is left.
const LOOK: Duration = Duration::from_millis(100);

/// Whether the relay drains, and until when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    /// It does not.
    #[default]
    Serving,
    /// An operator asked for it, and may take it back.
    Asked {
        /// When what is left is cut off; never, if the operator did not say.
        deadline: Option<Instant>,
    },
    /// The process was told to end.
    Ending {
        /// When what is left is cut off.
        deadline: Instant,
    },
}

impl State {
    /// What the relay's threads are told, and where they send clients.
    pub(crate) fn order(self, alternates: &[SocketAddr]) -> Option<relay::Drain> {
        (self != Self::Serving).then(|| relay::Drain {
            until: self.deadline().map(Instant::into_std),
            alternates: alternates.to_vec(),
        })
    }

    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Serving => None,
            Self::Asked { deadline } => deadline,
            Self::Ending { deadline } => Some(deadline),
        }
    }
}

/// Where operators ask, and the process waits.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    states: watch::Sender<State>,
    alternates: Vec<SocketAddr>,
}

impl Drain {
    /// `alternates` are other relays.
    pub(crate) fn new(alternates: Vec<SocketAddr>) -> Self {
        Self {
            alternates,
            ..Self::default()
        }
    }

    pub(crate) fn state(&self) -> State {
        *self.states.borrow()
    }

    /// What the relay's threads are told in a state.
    pub(crate) fn order(&self, state: State) -> Option<relay::Drain> {
        state.order(&self.alternates)
    }

    /// An operator asks for it, or for another deadline, or takes it back with `None`; the state before. Nothing
    /// changes once the process is ending.
    pub(crate) fn ask(&self, wanted: Option<Option<Instant>>) -> State {
        let state = self.state();
        if !matches!(state, State::Ending { .. }) {
            self.states.send_replace(match wanted {
                Some(deadline) => State::Asked { deadline },
                None => State::Serving,
            });
        }
        state
    }

    /// Waits until the relay has drained: nothing is left, or its time is over. `shutdown` begins a drain of at most
    /// `window`; `begun` is called with it then.
    pub(crate) async fn wait(
        &self,
        control: &Control,
        shutdown: &CancellationToken,
        window: Duration,
        begun: impl AsyncFn(State),
    ) {
        let mut states = self.states.subscribe();
        loop {
            let state = *states.borrow_and_update();
            let is_ending = matches!(state, State::Ending { .. });
            if state != State::Serving {
                let is_over = state.deadline().is_some_and(|at| at <= Instant::now());
                if is_over || (control.is_draining() && control.allocations() == 0) {
                    return;
                }
            }
            let look = match state {
                State::Serving => None,
                State::Asked { .. } | State::Ending { .. } => {
                    let look = Instant::now() + LOOK;
                    Some(state.deadline().map_or(look, |at| at.min(look)))
                }
            };
            tokio::select! {
                () = shutdown.cancelled(), if !is_ending => {
                    let end = Instant::now() + window;
                    let deadline = state.deadline().map_or(end, |at| at.min(end));
                    let ending = State::Ending { deadline };
                    self.states.send_replace(ending);
                    begun(ending).await;
                }
                _ = states.changed() => {}
                () = until(look) => {}
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
