//! One client: it announces itself, answers announces, says what it is told to, returns, and records everything.

use std::{collections::BTreeMap, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, protocol::WebSocketConfig},
};
use trunkline_tests::Seed;

use crate::{
    field::Shared,
    frames,
    history::{Ending, Event, Life, NodeNumber, PeerNumber, Session},
};

/// What a member is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// Say something to one of those in its roster; the number picks one.
    SayToOne(u64),
    /// Say something to this one, if it is in the roster.
    SayTo(PeerNumber),
    /// Say something to the room.
    SayToAll,
    /// Answer the announce of a peer.
    Answer(PeerNumber),
    /// Say `/leave`, and go.
    Leave,
    /// Reset the connection.
    Cut,
}

/// What is known of a member at this moment.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) life: Life,
    /// Whom its present session would call its room: each peer, and the session that was heard of.
    pub(crate) roster: BTreeMap<PeerNumber, u32>,
    /// The last numbers said in this session: to each peer, and to all.
    pub(crate) said: BTreeMap<PeerNumber, u32>,
    pub(crate) broadcasts: u32,
    /// The last numbers heard of each peer's session, directed and broadcast.
    pub(crate) heard: BTreeMap<(PeerNumber, u32), (u32, u32)>,
    /// Whether it comes back when its connection ends, and how soon.
    pub(crate) returns: Option<Duration>,
    /// Orders that wait.
    pub(crate) waiting: usize,
}

impl State {
    pub(crate) fn new(peer: PeerNumber, room: u32) -> Self {
        Self {
            life: Life {
                peer,
                room,
                sessions: Vec::new(),
            },
            roster: BTreeMap::new(),
            said: BTreeMap::new(),
            broadcasts: 0,
            heard: BTreeMap::new(),
            returns: Some(Duration::from_millis(100)),
            waiting: 0,
        }
    }

    fn session(&mut self) -> &mut Session {
        self.life.sessions.last_mut().expect("a session")
    }
}

/// A member as its field holds it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) state: Arc<std::sync::Mutex<State>>,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

impl Member {
    /// Gives an order; not when too many wait already, as at a node that is frozen.
    pub(crate) fn order(&self, order: Order) -> bool {
        let mut state = self.state.lock().unwrap();
        if state.waiting >= 512 && !matches!(order, Order::Answer(_)) {
            return false;
        }
        state.waiting += 1;
        self.orders.send(order).is_ok()
    }
}

type Socket = WebSocketStream<TcpStream>;

/// A member's task: session after session, until it leaves or does not return.
pub(crate) async fn live(
    shared: Arc<Shared>,
    member: Member,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut seed: Seed,
    mut at: Option<NodeNumber>,
) {
    loop {
        let Some((node, socket)) = connect(&shared, &mut seed, at.take()).await else {
            return;
        };
        let ending = session(&shared, &member, &mut orders, node, socket).await;
        let returns = member.state.lock().unwrap().returns;
        match (ending, returns) {
            (Ending::Left, _) | (_, None) => return,
            (Ending::Cut | Ending::Lost, Some(soonest)) => {
                let jitter = Duration::from_millis(seed.within(0..100));
                sleep(soonest + jitter).await;
            }
        }
    }
}

/// A connection to this node, or to any of those that are open; none when that takes too long.
async fn connect(
    shared: &Shared,
    seed: &mut Seed,
    mut at: Option<NodeNumber>,
) -> Option<(NodeNumber, Socket)> {
    for _ in 0..600 {
        let open = shared.open.lock().unwrap().clone();
        let place = match at.take() {
            Some(node) => open.iter().find(|(number, _)| *number == node).copied(),
            None if open.is_empty() => None,
            None => Some(*seed.pick(&open)),
        };
        if let Some((node, address)) = place
            && let Ok(Ok(socket)) = timeout(Duration::from_secs(2), open_socket(address)).await
        {
            return Some((node, socket));
        }
        sleep(Duration::from_millis(100)).await;
    }
    None
}

async fn open_socket(address: SocketAddr) -> Result<Socket, Error> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // Whatever ends without a closing handshake is a reset.
    stream.set_zero_linger()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0);
    let url = format!("ws://{address}/");
    let (socket, _) = client_async_with_config(url, stream, Some(config)).await?;
    Ok(socket)
}

/// One announce and what follows.
async fn session(
    shared: &Shared,
    member: &Member,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    node: NodeNumber,
    socket: Socket,
) -> Ending {
    let announce = {
        let mut state = member.state.lock().unwrap();
        let number = u32::try_from(state.life.sessions.len()).unwrap();
        state.life.sessions.push(Session {
            number,
            node,
            announced: shared.now(),
            joined: None,
            ended: None,
            events: Vec::new(),
        });
        state.roster.clear();
        state.said.clear();
        state.broadcasts = 0;
        frames::announce(state.life.peer, state.life.room, number)
    };
    let (sink, stream) = socket.split();
    {
        let mut writing = pin!(write(shared, member, orders, sink, announce));
        let mut reading = pin!(read(shared, member, stream));
        tokio::select! {
            () = &mut reading => {}
            // After a leave, the node closes; a node that does not is not waited for.
            left = &mut writing => if left {
                let _ = timeout(Duration::from_secs(2), reading).await;
            },
        }
    }
    let mut state = member.state.lock().unwrap();
    let now = shared.now();
    let ended = &mut state.session().ended;
    ended.get_or_insert((now, Ending::Lost)).1
}

/// Carries orders out until the connection is to end; `true` when it ends in order.
async fn write(
    shared: &Shared,
    member: &Member,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    announce: String,
) -> bool {
    if sink.send(Message::text(announce)).await.is_err() {
        return std::future::pending().await;
    }
    while let Some(order) = orders.recv().await {
        let frame = {
            let mut state = member.state.lock().unwrap();
            state.waiting = state.waiting.saturating_sub(1);
            let now = shared.now();
            // What was ordered before the answer to the announce is said after it, but for the end.
            match order {
                Order::Cut => {
                    state.session().ended = Some((now, Ending::Cut));
                    return false;
                }
                Order::Leave => {
                    state.session().ended = Some((now, Ending::Left));
                    Some(frames::leave(state.life.peer))
                }
                Order::SayToOne(pick) => say_to_one(&mut state, now, pick),
                Order::SayTo(to) if state.roster.contains_key(&to) => {
                    Some(say_to(&mut state, now, to))
                }
                Order::SayTo(_) => None,
                Order::SayToAll => say_to_all(&mut state, now),
                Order::Answer(to) => {
                    let (peer, room) = (state.life.peer, state.life.room);
                    Some(frames::answer(to, peer, room, state.session().number))
                }
            }
        };
        let Some(frame) = frame else {
            continue;
        };
        let sent = sink.send(Message::text(frame)).await.is_ok();
        if matches!(order, Order::Leave) {
            return sent && sink.close().await.is_ok();
        }
        if !sent {
            break;
        }
    }
    // How the connection ended is for the reader to see.
    std::future::pending().await
}

fn say_to_one(state: &mut State, now: u64, pick: u64) -> Option<String> {
    let count = state.roster.len() as u64;
    if count == 0 {
        return None;
    }
    let nth = usize::try_from(pick % count).unwrap();
    let to = *state.roster.keys().nth(nth)?;
    Some(say_to(state, now, to))
}

fn say_to(state: &mut State, now: u64, to: PeerNumber) -> String {
    let last = state.said.entry(to).or_default();
    *last += 1;
    let number = *last;
    let (peer, session) = (state.life.peer, state.session());
    session
        .events
        .push((now, Event::SaidDirected { to, number }));
    frames::directed(to, peer, session.number, number)
}

fn say_to_all(state: &mut State, now: u64) -> Option<String> {
    state.session().joined?;
    state.broadcasts += 1;
    let number = state.broadcasts;
    let (peer, session) = (state.life.peer, state.session());
    session.events.push((now, Event::SaidBroadcast { number }));
    Some(frames::broadcast(peer, session.number, number))
}

/// Records what comes until nothing comes any more.
async fn read(
    shared: &Shared,
    member: &Member,
    mut stream: impl Stream<Item = Result<Message, Error>> + Unpin,
) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let mut state = member.state.lock().unwrap();
        let now = shared.now();
        match frames::parse(&text, state.life.peer) {
            frames::Frame::Greeting => {}
            frames::Frame::RoomInfo => {
                state.session().joined.get_or_insert(now);
            }
            frames::Frame::Event(event) => {
                note(&mut state, event);
                state.session().events.push((now, event));
                if let Event::Announced {
                    peer,
                    directed: false,
                    ..
                } = event
                {
                    drop(state);
                    member.order(Order::Answer(peer));
                }
            }
        }
    }
}

/// Keeps what is known at this moment.
fn note(state: &mut State, event: Event) {
    match event {
        Event::Announced { peer, session, .. } => {
            let known = state.roster.entry(peer).or_default();
            *known = session.max(*known);
        }
        Event::Left { peer } => {
            state.roster.remove(&peer);
        }
        Event::HeardDirected {
            from,
            session,
            number,
        } => state.heard.entry((from, session)).or_default().0 = number,
        Event::HeardBroadcast {
            from,
            session,
            number,
        } => state.heard.entry((from, session)).or_default().1 = number,
        Event::SaidDirected { .. } | Event::SaidBroadcast { .. } | Event::Strange => {}
    }
}
