//! A join of a name that is another owner's.

use super::*;

/// What the node is told.
fn told(partition: &mut Partition) -> Vec<Event> {
    let event = |output| match output {
        Output::Event(event) => Some(event),
        _ => None,
    };
    outputs(partition).into_iter().filter_map(event).collect()
}

/// The channels that are given up; everything else of the outputs stays.
fn given_up(partition: &mut Partition) -> Vec<Channel> {
    let mut channels = Vec::new();
    for output in outputs(partition) {
        match output {
            Output::Unsubscribe(given_up) => channels.extend(given_up),
            other => partition.outputs.push_back(other),
        }
    }
    channels
}

#[test]
fn a_refusal_is_told_once_and_the_room_s_channel_goes_when_the_room_is_forgotten() {
    let start = Instant::now();
    let mut partition = open(1, start);
    partition.handle_command(join(), start);
    partition.handle_subscribed(start);
    let asked = requests(&mut partition);
    let (id, _) = asked
        .iter()
        .find(|(_, request)| matches!(request, Request::Join { .. }))
        .unwrap();
    for _ in 0..2 {
        partition.handle_reply(*id, Some(Reply::Refused), start);
    }
    let refused = Event::JoinRefused {
        token: 1,
        room: ROOM,
    };
    assert_eq!(told(&mut partition), [refused]);
    // Until it forgets the room, the node is in it.
    let version = RosterVersion {
        epoch: 1,
        version: 2,
    };
    let change = Change::Left {
        member: "bob".into(),
        node: node("b"),
        fence: 1,
        data: Bytes::new(),
    };
    let changed = Published::Changed { version, change };
    let channel = Channel::Room(ROOM);
    partition.handle_published(&channel, changed.clone(), start);
    assert_eq!(told(&mut partition).len(), 1);

    partition.handle_command(Command::Forget { room: ROOM }, start);
    partition.handle_published(&channel, changed, start);
    assert_eq!(told(&mut partition), []);
    let mut now = start;
    let mut channels = Vec::new();
    while channels.is_empty() && now < start + 60 * SECOND {
        serve(&mut partition, start + 600 * SECOND, now);
        now = partition.poll_timeout().unwrap();
        partition.handle_timeout(now);
        channels = given_up(&mut partition);
    }
    assert_eq!(channels, [channel]);
}
