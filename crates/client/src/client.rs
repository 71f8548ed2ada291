//! A client over WebSockets.

mod command;
mod driver;
mod jitter;
mod link;

use std::time::{Duration, Instant};

use bytestring::ByteString;
use http::Uri;
use protocol::{
    PeerId, RoomId,
    native::{Json, MAX_TOKEN_BYTES, client::Wanted, server::Member},
};
use tokio::sync::{mpsc, oneshot};

use self::{command::Command, driver::Driver, jitter::Jitter};
use crate::{
    dialer::Dialer,
    error::{ConnectError, Failure},
    event::{Asked, Event},
    session::{Config, Keepsake, Session},
};

const PATH: &str = "/v1/connect";

/// Commands that the task behind a client has not looked at yet; whoever has one more waits.
const MOST_COMMANDS: usize = 64;

/// What a client is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The room.
    pub room: RoomId,
    /// The id; a node gives one to who has none.
    pub peer: Option<PeerId>,
    /// Tells a node who the client is, where it wants to know.
    pub token: Option<ByteString>,
    /// Of an earlier client whose place this one takes.
    pub resume: Option<Keepsake>,
    /// After how long a message or an announce of which nothing was heard is given up; a minute.
    pub patience: Duration,
    /// Whether requests of others are accepted before the application is told of them, as they are if nothing is said
    /// here; if not, it does so itself, or declines.
    pub accepts: bool,
    /// Events that wait for the application. When that many do, nothing more is read until it takes one: it misses
    /// none, and others wait for what it would acknowledge. So does the application itself, if it waits for an answer
    /// and takes no events meanwhile. 256.
    pub events: usize,
}

impl Options {
    /// For a peer in this room, with the defaults named above.
    pub fn new(room: RoomId) -> Self {
        Self {
            room,
            peer: None,
            token: None,
            resume: None,
            patience: Duration::from_secs(60),
            accepts: true,
            events: 256,
        }
    }
}

/// A peer in a room. Clones are the same peer; when the last one is dropped, it leaves.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
}

/// What the application is told. Who drops it is told nothing more, and all else goes on.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; none when the client has ended and all was told.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// Makes a client, which connects at once, to one of these nodes: `ws://host:port`, with or without the path. When the
/// connection is lost it goes to the next one, again and again, until it is closed or a node says not to come back. To one
/// that has just come back, and is told that another connection has its place, that is said twice: the other one may have
/// been its own last.
///
/// It is driven by a task of the tokio runtime in which this is called.
///
/// # Errors
/// When there is no URL or one is none, a token is longer than 4096 bytes, or there are no random numbers.
pub fn connect<U: AsRef<str>>(
    urls: impl IntoIterator<Item = U>,
    options: Options,
) -> Result<(Client, Events), ConnectError> {
    let urls = urls.into_iter().map(|url| endpoint(url.as_ref()));
    let urls: Vec<Uri> = urls.collect::<Result<_, _>>()?;
    if urls.is_empty() {
        return Err(ConnectError::NoUrl);
    }
    let kept = options.resume.as_ref().map(|kept| &kept.token);
    let mut tokens = options.token.iter().chain(kept);
    // A node would not understand the greeting, again and again.
    if tokens.any(|token| token.len() > MAX_TOKEN_BYTES) {
        return Err(ConnectError::Token);
    }
    let mut random = [0; 24];
    getrandom::fill(&mut random).map_err(ConnectError::Random)?;
    let (seed, jitter) = random.split_at(16);
    let seed = seed
        .iter()
        .fold(0, |all: u128, byte| all << 8 | u128::from(*byte));
    let jitter = jitter
        .iter()
        .fold(0, |all: u64, byte| all << 8 | u64::from(*byte));
    let mut jitter = Jitter::new(jitter);
    let session = Session::new(Config {
        room: options.room,
        peer: options.peer,
        token: options.token,
        resume: options.resume,
        patience: options.patience,
        seed,
    });
    let dialer = Dialer::new(urls.len(), Instant::now(), jitter.next());
    let (commands, taken) = mpsc::channel(MOST_COMMANDS);
    let (told, events) = mpsc::channel(options.events.max(1));
    let driver = Driver::new(session, dialer, urls, jitter, options.accepts);
    tokio::spawn(driver.run(taken, told));
    Ok((Client { commands }, Events(events)))
}

fn endpoint(text: &str) -> Result<Uri, ConnectError> {
    let wrong = || ConnectError::Url {
        url: text.to_owned(),
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("ws") {
        return Err(wrong());
    }
    let authority = uri.authority().ok_or_else(wrong)?.as_str();
    let path = uri.path().trim_end_matches('/');
    let path = path.strip_suffix(PATH).unwrap_or(path);
    let query = uri.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    let whole = format!("ws://{authority}{path}{PATH}{query}");
    whole.parse().map_err(|_| wrong())
}

impl Client {
    /// Enters the room, or tells it of other data, an object. Gives the id under which it is there.
    ///
    /// # Errors
    /// When it has more than 4096 bytes, a node refuses it, no node has answered within the client's patience, or the client leaves or ends before.
    pub async fn announce(&self, data: Json) -> Result<PeerId, Failure> {
        self.ask(|reply| Command::Announce { data, reply }).await?
    }

    /// Asks for a peer that will talk; gives its id and what it has announced. Where the connection was lost meanwhile, the
    /// first that this peer says may be told before.
    ///
    /// # Errors
    /// When what is wanted has more than 4096 bytes, or there is none, with the reason. There is one or the other within `timeout`, four seconds if none is given
    /// and a minute at most, and half a second.
    pub async fn request(
        &self,
        wanted: Wanted,
        timeout: Option<Duration>,
    ) -> Result<(PeerId, Json), Failure> {
        let asked = self.ask(|reply| Command::Request {
            wanted,
            timeout,
            reply,
        });
        asked.await?
    }

    /// Says something to one peer, and returns when the peer has it. What was said before arrives before it: of several
    /// that are under way, they are said in the order in which they were first polled.
    ///
    /// # Errors
    /// When the peer has left or does not exist, too many messages wait for it, the message is too long, a node gives it
    /// up, nothing was heard of it within the client's patience, or the client leaves or ends before. Where the peer
    /// exists it may have come all the same.
    pub async fn send(&self, to: PeerId, body: Json) -> Result<(), Failure> {
        self.ask(|reply| Command::Send { to, body, reply }).await?
    }

    /// Says something to everybody else in the room, of which nobody acknowledges it.
    ///
    /// # Errors
    /// When nothing was announced, it is too long, or too many wait for a connection already.
    pub async fn broadcast(&self, body: Json) -> Result<(), Failure> {
        self.ask(|reply| Command::Broadcast { body, reply }).await?
    }

    /// Takes another peer's request, where the client does not do so itself.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn accept(&self, asked: &Asked) -> Result<(), Failure> {
        let asked = asked.clone();
        self.ask(|reply| Command::Accept { asked, reply }).await
    }

    /// Does not take another peer's request. Of the reason, 256 bytes are said.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn decline(&self, asked: &Asked, reason: Option<String>) -> Result<(), Failure> {
        let asked = asked.clone();
        let declined = self.ask(|reply| Command::Decline {
            asked,
            reason,
            reply,
        });
        declined.await
    }

    /// Who else is in the room, as far as it is known.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn members(&self) -> Result<Vec<Member>, Failure> {
        self.ask(|reply| Command::Members { reply }).await
    }

    /// What a client that comes after this one needs to be the same peer, once that is known.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn keepsake(&self) -> Result<Option<Keepsake>, Failure> {
        self.ask(|reply| Command::Keepsake { reply }).await
    }

    /// Leaves the room, in which a later announce enters again. Nothing comes of what is under way.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn leave(&self) -> Result<(), Failure> {
        self.ask(|reply| Command::Leave { reply }).await
    }

    /// Leaves, and ends the client. Returns when the node has been told.
    pub async fn close(self) {
        // That it has ended already is as good.
        let _ = self.ask(|reply| Command::Close { reply }).await;
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Failure> {
        let ended = || Failure::Closed {
            code: None,
            reason: ByteString::from_static("it was closed"),
        };
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}
