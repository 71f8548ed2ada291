//! One couple: a request, and all that a call is set up with.

use std::time::{Duration, Instant};

use ::client::{
    Client, Event, Events, Json, Options, PeerId, Reason, RoomId, State, Wanted, connect,
};
use futures_util::{StreamExt, stream::FuturesOrdered};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use trunkline_tests::{PATIENCE, Seed};

use crate::{
    channel::Channel,
    recorded::{self, SIGNALS},
};

/// Longest that one may take, from the first connection on.
pub(crate) const BOUND: Duration = Duration::from_secs(25);

/// Before a request that was answered with a no is made again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long a data channel may take.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(15);

/// What has become of one.
pub(crate) struct Report {
    pub(crate) took: Duration,
    /// How long each request took, and why it was not taken, if it was not.
    pub(crate) requests: Vec<(Duration, Option<Reason>)>,
    pub(crate) sides: [Side; 2],
    pub(crate) has_channel: bool,
    /// How many of the two had lost their connection by then.
    pub(crate) hit: usize,
}

/// One of the two, and what it has said and heard.
pub(crate) struct Side {
    pub(crate) name: String,
    client: Client,
    events: Events,
    /// The numbers of the signals, as they were told.
    pub(crate) heard: Vec<u64>,
    /// What of its own is said to be lost.
    pub(crate) lost: Vec<String>,
    pub(crate) reconnects: usize,
}

impl Side {
    fn enter(couple: usize, name: &str, urls: &[String]) -> Self {
        let mut options = Options::new(RoomId::new(format!("couple-{couple}")).unwrap());
        options.peer = Some(PeerId::new(name.to_owned()).unwrap());
        let (client, events) = connect(urls, options).unwrap();
        Self {
            name: format!("{name} of couple {couple}"),
            client,
            events,
            heard: Vec::new(),
            lost: Vec::new(),
            reconnects: 0,
        }
    }

    async fn announce(&self, name: &str) {
        let data = Json::new(&json!({ "name": name }).to_string()).unwrap();
        self.client.announce(data).await.unwrap();
    }

    /// Returns when the other side is known to be there: before that, a request may be told that nobody matches.
    async fn sees(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let members = self.client.members().await.unwrap();
            if members.iter().any(|member| member.peer.as_str() == name) {
                return;
            }
            assert!(Instant::now() < end, "{} sees nobody", self.name);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// The next signal of the other side's, and who has said it.
    async fn hear(&mut self) -> Option<(PeerId, Value)> {
        while let Some(event) = self.events.next().await {
            match event {
                Event::Message(said) => {
                    let signal: Value = serde_json::from_str(said.body.as_str()).unwrap();
                    self.heard.push(signal["number"].as_u64().unwrap());
                    return Some((said.from, signal));
                }
                Event::State(State::Reconnecting { .. }) => self.reconnects += 1,
                _ => {}
            }
        }
        None
    }

    /// Says all that it has to say, and hears all that it has not heard.
    async fn exchange(
        &mut self,
        to: &PeerId,
        script: Vec<Value>,
        heard: &mut Vec<Value>,
        seed: &mut Seed,
    ) {
        let client = self.client.clone();
        let paces: Vec<u64> = script.iter().map(|_| seed.within(5..400)).collect();
        let said = async {
            let mut under_way = FuturesOrdered::new();
            let mut lost = Vec::new();
            for (signal, pace) in script.into_iter().zip(paces) {
                let body = Json::new(&signal.to_string()).unwrap();
                under_way.push_back(client.send(to.clone(), body));
                let pause = sleep(Duration::from_millis(pace));
                tokio::pin!(pause);
                loop {
                    tokio::select! {
                        () = &mut pause => break,
                        Some(outcome) = under_way.next() => lost.extend(Result::err(outcome)),
                    }
                }
            }
            while let Some(outcome) = under_way.next().await {
                lost.extend(outcome.err());
            }
            lost
        };
        let listened = async {
            while self.heard.len() < SIGNALS {
                let Some((_, signal)) = self.hear().await else {
                    return;
                };
                heard.push(signal);
            }
        };
        let (lost, ()) = tokio::join!(said, listened);
        self.lost
            .extend(lost.iter().map(|failure| format!("{failure:?}")));
    }

    /// Leaves, and hears what it was told beyond what it waited for.
    pub(crate) async fn close(&mut self) {
        self.client.clone().close().await;
        while self.hear().await.is_some() {}
    }
}

/// Lets one live. With a data channel, its first candidates are real ones.
pub(crate) async fn live(
    couple: usize,
    urls: Vec<String>,
    has_channel: bool,
    mut seed: Seed,
) -> Report {
    let begun = Instant::now();
    let mut caller = Side::enter(couple, "bob", &urls);
    let mut callee = Side::enter(couple, "sue", &urls);
    tokio::join!(callee.announce("sue"), caller.announce("bob"));
    caller.sees("sue").await;
    let mut requests = Vec::new();
    let peer = loop {
        let asked = Instant::now();
        let wanted = Wanted::Match(Json::new(r#"{"name":"sue"}"#).unwrap());
        let answer = caller.client.request(wanted, None).await;
        match answer {
            Ok((peer, _)) => {
                requests.push((asked.elapsed(), None));
                break peer;
            }
            Err(failure) => requests.push((asked.elapsed(), failure.reason())),
        }
        assert!(begun.elapsed() < BOUND, "{}: {requests:?}", caller.name);
        sleep(AGAIN).await;
    };
    let mut seeds = [seed.fork(), seed.fork()];
    let [calls, answers] = &mut seeds;
    let exchange = async {
        tokio::join!(
            call(&mut caller, &peer, has_channel, calls),
            answer(&mut callee, has_channel, answers)
        )
    };
    let left = BOUND.saturating_sub(begun.elapsed());
    let exchanged = timeout(left + CHANNEL_PATIENCE, exchange).await;
    assert!(
        exchanged.is_ok(),
        "couple {couple} is not done: {:?} {:?}, {:?} {:?}",
        caller.heard,
        caller.lost,
        callee.heard,
        callee.lost
    );
    let sides = [caller, callee];
    Report {
        took: begun.elapsed(),
        requests,
        hit: sides.iter().filter(|side| side.reconnects > 0).count(),
        sides,
        has_channel,
    }
}

async fn call(side: &mut Side, to: &PeerId, has_channel: bool, seed: &mut Seed) {
    let mut heard = Vec::new();
    if !has_channel {
        let script = recorded::script("offer", &recorded::offer(), None);
        side.exchange(to, script, &mut heard, seed).await;
        return;
    }
    let mut channel = Channel::new().await.unwrap();
    let offer = channel.offer().unwrap();
    let candidate = channel.candidate().unwrap();
    let script = recorded::script("offer", &offer, Some(&candidate));
    side.exchange(to, script, &mut heard, seed).await;
    let answer = heard[0]["description"]["sdp"].as_str().unwrap();
    channel.accept(answer).unwrap();
    through(channel, &heard[1], "hello, sue", "hello, bob").await;
}

async fn answer(side: &mut Side, has_channel: bool, seed: &mut Seed) {
    let (to, offer) = side.hear().await.unwrap();
    let mut heard = vec![offer];
    if !has_channel {
        let script = recorded::script("answer", &recorded::answer(), None);
        side.exchange(&to, script, &mut heard, seed).await;
        return;
    }
    let mut channel = Channel::new().await.unwrap();
    let offer = heard[0]["description"]["sdp"].as_str().unwrap();
    let answer = channel.answer(offer).unwrap();
    let candidate = channel.candidate().unwrap();
    let script = recorded::script("answer", &answer, Some(&candidate));
    side.exchange(&to, script, &mut heard, seed).await;
    through(channel, &heard[1], "hello, bob", "hello, sue").await;
}

/// Says and hears a word through the channel itself.
async fn through(mut channel: Channel, candidate: &Value, say: &str, hear: &str) {
    let candidate = candidate["candidate"]["candidate"].as_str().unwrap();
    channel.add_candidate(candidate).unwrap();
    let heard = channel.exchange(say, CHANNEL_PATIENCE).await.unwrap();
    assert_eq!(heard, hear);
}
