use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Context,
};

use backplane::{Command, Event, Memory, NodeId, Overloaded, Pressure};
use bytes::Bytes;
use protocol::RoomId;

use super::*;

fn node(backplane: Arc<dyn Backplane>) -> Node {
    let key = ResumeKey::derive(b"of tests");
    Node::new(Config::default(), backplane, "default", key, 1)
}

#[test]
fn a_socket_that_opens_while_the_node_stops_is_closed_too() {
    let (backplane, _events) = Memory::default().attach(NodeId("n".into()));
    let node = node(backplane);
    assert_eq!(node.ready(), Ok(()));
    node.close_all(CloseCode::GoingAway);
    assert_eq!(node.ready(), Err("shutting down"));
    let outbox = Arc::new(Outbox::default());
    let connection = node.connect(outbox.clone(), Dialect::RtcIo);
    let end = outbox.poll(&mut Context::from_waker(Waker::noop()));
    assert!(end.is_ready());
    node.disconnect(connection);
    assert_eq!((node.sockets(), node.stats()), (0, Stats::default()));
}

/// One without room, as long as it is told so; keeps what it takes.
#[derive(Debug)]
struct Narrow {
    node: NodeId,
    is_full: AtomicBool,
    taken: Mutex<Vec<Command>>,
}

impl Backplane for Narrow {
    fn node(&self) -> &NodeId {
        &self.node
    }

    fn submit(&self, command: Command) -> Result<(), Overloaded> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Overloaded);
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push(command);
        Ok(())
    }

    fn pressure(&self) -> Pressure {
        Pressure::default()
    }

    fn health(&self) -> Health {
        Health::Healthy
    }

    fn events_lost(&self) -> u64 {
        0
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}

#[test]
fn what_must_be_said_and_finds_no_room_is_said_later() {
    let backplane = Arc::new(Narrow {
        node: NodeId("n".into()),
        is_full: AtomicBool::new(true),
        taken: Mutex::default(),
    });
    let node = node(backplane.clone());
    let forget = ClusterCommand::Forget {
        room: RoomId::new("r").unwrap(),
    };
    node.submit(&mut node.lock(), forget, Instant::now());
    node.change(|_, _| {});
    assert_eq!(node.metrics.overloaded.get(), 1);
    assert_eq!(*backplane.taken.lock().unwrap(), []);
    backplane.is_full.store(false, Ordering::Relaxed);
    node.change(|_, _| {});
    node.change(|_, _| {});
    let forgotten = Command::Forget { room: "r".into() };
    assert_eq!(*backplane.taken.lock().unwrap(), [forgotten]);
}

#[tokio::test]
async fn what_another_version_writes_is_counted_and_the_next_is_heard() {
    let memory = Memory::default();
    let (backplane, mut events) = memory.attach(NodeId("n".into()));
    let (other, _others) = memory.attach(NodeId("m".into()));
    let node = node(backplane);
    let send = |payload: Bytes| {
        let send = Command::Send {
            node: NodeId("n".into()),
            room: "r".into(),
            payload,
        };
        other.submit(send).unwrap();
    };
    let handed_over = ClusterCommand::HandedOver {
        node: switchboard::NodeId("n".into()),
        room: RoomId::new("r").unwrap(),
        peer: protocol::PeerId::new("bob").unwrap(),
    };
    send(Bytes::from_static(b"\x02of a later version"));
    other.submit(cluster::command(handed_over)).unwrap();
    send(Bytes::from_static(b"\x01\xff"));
    node.leave();
    let heard = events.next().await.unwrap();
    assert!(matches!(heard, Event::Received { .. }));
    assert!(cluster::event(heard).is_err());
    // Of the two that are left, one is understood; the node has gone, so this ends.
    tokio::time::timeout(Duration::from_secs(5), node.pump(&mut events))
        .await
        .unwrap();
    assert_eq!(node.metrics.unreadable.get(), 1);
}
