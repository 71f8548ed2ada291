use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use redis::{Cmd, Value, pipe};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, sleep_until, timeout},
};

use super::{
    super::{
        attempt::random,
        error::LinkError,
        keys::Keys,
        server::Push,
        topology::{Link, Topology},
    },
    Shared,
    store::{self, News},
};
use crate::{
    Health,
    fleet::{Kick, Relay},
};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// Between two attempts at a link, at random up to the first after the first failure, up to the second in the end.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(1);

/// Longest wait for a subscription.
const SUBSCRIBE: Duration = Duration::from_secs(2);

/// Longest time that taking the relay off the list takes. After that its lease ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// Nobody has asked for this many kicks.
const UNKNOWN: i64 = -1;

/// Carries between Redis and one [`Fleet`](crate::fleet::Fleet).
pub(super) struct Driver {
    keys: Keys,
    topology: Topology,
    shared: Arc<Shared>,
    own: watch::Receiver<Option<Relay>>,
    kicks: mpsc::Receiver<(String, u64)>,
    told: mpsc::Sender<Arc<[Kick]>>,
    /// The version of the kicks that were told.
    version: i64,
    /// A kick that is not known to have arrived.
    pending: Option<(String, u64)>,
    failures: u32,
    trouble: String,
}

/// What the driver wakes up for.
enum Wake {
    Beat,
    Described,
    Kick((String, u64)),
    Push(Option<Push>),
    Broken,
    Dropped,
}

impl Driver {
    pub(super) fn new(
        prefix: &str,
        topology: Topology,
        shared: Arc<Shared>,
        own: watch::Receiver<Option<Relay>>,
        kicks: mpsc::Receiver<(String, u64)>,
        told: mpsc::Sender<Arc<[Kick]>>,
    ) -> Self {
        Self {
            keys: Keys::new(prefix, 0, topology.database(0)),
            topology,
            shared,
            own,
            kicks,
            told,
            version: UNKNOWN,
            pending: None,
            failures: 0,
            trouble: String::new(),
        }
    }

    /// Works until the handle is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let linked = tokio::select! {
                linked = self.topology.link(0) => linked,
                () = dropped(&mut self.own) => return,
            };
            let ended = match linked {
                Ok(link) => self.serve(link).await,
                Err(error) => Err(error),
            };
            let Err(error) = ended else { return };
            self.note(&error);
            self.shared.is_registered.store(false, Ordering::Relaxed);
            let longest = (FIRST_RETRY * 2_u32.pow(self.failures.min(8))).min(LAST_RETRY);
            self.failures += 1;
            let pause = longest.mul_f64(random() as f64 / u64::MAX as f64);
            tokio::select! {
                () = sleep(pause) => {}
                () = dropped(&mut self.own) => return,
            }
        }
    }

    fn note(&mut self, error: &LinkError) {
        if self.shared.list().is_known() {
            self.shared.set_health(Health::Degraded);
        }
        let text = error.to_string();
        if self.trouble != text {
            tracing::warn!("no link to the fleet of relays: {text}");
            self.trouble = text;
        }
    }

    /// Works over a link until that is lost, or the handle dropped: then it has said so.
    async fn serve(&mut self, mut link: Link) -> Result<(), LinkError> {
        self.subscribe(&mut link).await?;
        self.shared.list().link(Instant::now());
        self.version = UNKNOWN;
        let mut announced = true;
        let mut next = Instant::now();
        loop {
            if let Some((user, seconds)) = self.pending.take() {
                let digests = &link.server.digests;
                let command = store::kick(&self.keys, digests, &user, seconds);
                if let Err(error) = self.ask(&link, vec![command]).await {
                    self.pending = Some((user, seconds));
                    return Err(error);
                }
            }
            if next <= Instant::now() {
                self.beat(&link, announced).await?;
                (self.failures, announced) = (0, false);
                self.trouble.clear();
                next = Instant::now() + BEAT;
            }
            match self.wake(&mut link, next).await {
                Wake::Beat => {}
                Wake::Described => (announced, next) = (true, Instant::now()),
                Wake::Kick(kick) => self.pending = Some(kick),
                Wake::Push(Some(Push::Message(_, payload))) => match store::read_news(&payload) {
                    Some(News::Kick(version, kick)) => self.hear(version, kick),
                    Some(News::Relays) => next = Instant::now(),
                    None => {}
                },
                Wake::Push(Some(Push::Subscribed(_))) => {}
                // As when the partition has moved to another server.
                Wake::Push(None | Some(Push::Unsubscribed(_))) | Wake::Broken => {
                    return Err(failed("the subscription is lost"));
                }
                Wake::Dropped => {
                    self.say_farewell(&link).await;
                    return Ok(());
                }
            }
        }
    }

    async fn subscribe(&self, link: &mut Link) -> Result<(), LinkError> {
        let mut subscribing = pipe();
        subscribing.cmd("SSUBSCRIBE").arg(self.keys.fleet_channel());
        let mut connection = link.server.subscriber.clone();
        let asked = connection.send_packed_commands(&subscribing, 0, 1).await;
        asked.map_err(failed)?;
        let subscribed = async {
            loop {
                match link.pushes.recv().await {
                    Some(Push::Subscribed(_)) => return true,
                    Some(Push::Message(..)) => {}
                    Some(Push::Unsubscribed(_)) | None => return false,
                }
            }
        };
        match timeout(SUBSCRIBE, subscribed).await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(failed("no subscription")),
        }
    }

    async fn wake(&mut self, link: &mut Link, next: Instant) -> Wake {
        let broken = link.server.broken().clone();
        tokio::select! {
            changed = self.own.changed() => match changed {
                Ok(()) => Wake::Described,
                Err(_) => Wake::Dropped,
            },
            Some(kick) = self.kicks.recv() => Wake::Kick(kick),
            push = link.pushes.recv() => Wake::Push(push),
            () = broken.cancelled() => Wake::Broken,
            () = sleep_until(next.into()) => Wake::Beat,
        }
    }

    /// Says what the relay is, and reads the list.
    async fn beat(&mut self, link: &Link, announced: bool) -> Result<(), LinkError> {
        let digests = &link.server.digests;
        let own = self.own.borrow_and_update().clone();
        let mut commands = Vec::new();
        if let Some(own) = &own {
            commands.push(store::beat(&self.keys, digests, own, announced));
        }
        commands.push(store::relays(&self.keys, digests));
        let mut values = self.ask(link, commands).await?;
        let listed = values.pop().and_then(store::read_relays);
        let (relays, unreadable, version) = listed.ok_or_else(not_understood)?;
        if own.is_some() {
            let is_registered = values.pop() == Some(Value::Int(1));
            let was = &self.shared.is_registered;
            if !is_registered && was.swap(is_registered, Ordering::Relaxed) {
                tracing::warn!("there are too many relays: this one is not on the list");
            }
            was.store(is_registered, Ordering::Relaxed);
        }
        self.shared
            .unreadable
            .fetch_add(unreadable, Ordering::Relaxed);
        self.shared.list().tell(relays, Instant::now());
        self.shared.set_health(Health::Healthy);
        if version != self.version && !self.told.is_closed() {
            let asked = vec![store::kicks(&self.keys, digests)];
            let value = self.ask(link, asked).await?.pop();
            let (kicks, version) = value
                .and_then(store::read_kicks)
                .ok_or_else(not_understood)?;
            // What has no room now is asked for again a beat later.
            if kicks.is_empty() || self.told.try_send(kicks.into()).is_ok() {
                self.version = version;
            }
        }
        Ok(())
    }

    /// One kick was published; if others were missed, the next beat asks for all.
    fn hear(&mut self, version: i64, kick: Kick) {
        if version == self.version + 1 && self.told.try_send(Arc::from([kick])).is_ok() {
            self.version = version;
        }
    }

    async fn say_farewell(&mut self, link: &Link) {
        let own = self.own.borrow().clone();
        let digests = &link.server.digests;
        let mut commands = Vec::new();
        self.kicks.close();
        while let Ok((user, seconds)) = self.kicks.try_recv() {
            commands.push(store::kick(&self.keys, digests, &user, seconds));
        }
        if let Some(own) = own {
            commands.push(store::leave(&self.keys, digests, &own.id));
        }
        if !commands.is_empty()
            && !matches!(timeout(FAREWELL, self.ask(link, commands)).await, Ok(Ok(_)))
        {
            tracing::info!("this relay leaves the list with its lease");
        }
    }

    async fn ask(&self, link: &Link, commands: Vec<Cmd>) -> Result<Vec<Value>, LinkError> {
        let mut asking = pipe();
        let count = commands.len();
        for command in commands {
            asking.add_command(command);
        }
        let mut connection = link.server.commands.clone();
        let values = connection.send_packed_commands(&asking, 0, count).await;
        store::whole(values.map_err(failed)?)
    }
}

/// The link to the fleet's server is lost.
pub(super) fn failed(error: impl ToString) -> LinkError {
    LinkError::Redis {
        address: "the fleet's Redis".to_owned(),
        error: error.to_string(),
    }
}

fn not_understood() -> LinkError {
    LinkError::Answer("the fleet's Redis".to_owned())
}

/// Until nobody can describe the relay any more.
async fn dropped(own: &mut watch::Receiver<Option<Relay>>) {
    while own.changed().await.is_ok() {}
}
