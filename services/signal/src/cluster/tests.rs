use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_message_arrives_at_the_other_node_as_it_was(
        room in "[^|]{1,20}", from in "[^|]{1,20}", to in "[^|]{1,20}",
        form in 0..Form::ALL.len(), text in ".{0,80}", body in 0..80usize,
    ) {
        let said = Payload::of(Form::ALL[form], text.into(), body);
        let sent = command(ClusterCommand::Send {
            node: switchboard::NodeId("n".into()),
            room: RoomId::new(room.clone()).unwrap(),
            from: PeerId::new(from.clone()).unwrap(),
            to: PeerId::new(to.clone()).unwrap(),
            payload: said.clone(),
            hops: 3,
        });
        let Command::Send { payload, .. } = sent else {
            panic!("{sent:?}");
        };
        let received = event(Event::Received { from: NodeId("m".into()), payload }).unwrap();
        prop_assert_eq!(received, ClusterEvent::Received {
            room: RoomId::new(room).unwrap(),
            from: PeerId::new(from).unwrap(),
            to: PeerId::new(to).unwrap(),
            payload: said,
            hops: 3,
        });
    }

    #[test]
    fn a_peer_arrives_with_its_owner_where_the_backplane_finds_it(
        owner in "[A-Za-z0-9_-]{0,22}", data in ".{0,80}",
    ) {
        let text = format!("{owner}|r|{data}");
        let attributes = Payload::of(Form::Announcement, text.into(), owner.len() + 3);
        let peer = PeerId::new("bob").unwrap();
        let joined = command(ClusterCommand::Join {
            connection: ConnectionId(1),
            room: RoomId::new("r").unwrap(),
            peer: peer.clone(),
            attributes: attributes.clone(),
            want_roster: false,
        });
        let Command::Join { member, data, .. } = joined else {
            panic!("{joined:?}");
        };
        prop_assert_eq!(backplane::owner(&data), owner.as_bytes());
        let node = NodeId("m".into());
        let entry = entry(Entry { member, node, fence: 7, data }).unwrap();
        prop_assert_eq!((entry.peer, entry.fence, entry.attributes), (peer, 7, attributes));
    }

    #[test]
    fn no_bytes_of_another_node_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let from = NodeId("m".into());
        let _ = event(Event::Received { from, payload: bytes.into() });
    }
}

#[test]
fn a_blob_of_another_version_is_unreadable() {
    let from = NodeId("m".into());
    let payload = Bytes::from_static(&[VERSION + 1, 0, 0, 0]);
    assert!(event(Event::Received { from, payload }).is_err());
}

#[test]
fn a_departure_keeps_its_reason() {
    for why in [LeaveReason::Left, LeaveReason::Expired] {
        assert_eq!(reason(&reason_blob(why)), why);
    }
    assert_eq!(reason(b""), LeaveReason::Expired);
}

#[test]
fn a_flush_and_its_answer_arrive_as_they_were() {
    let flush = Flush {
        room: RoomId::new("r").unwrap(),
        peer: PeerId::new("bob").unwrap(),
        fence: 1 << 60,
        origin: switchboard::NodeId("o".into()),
        hops: 2,
    };
    let handed_over = (flush.room.clone(), flush.peer.clone());
    let node = switchboard::NodeId("n".into());
    let carry = |said| {
        let Command::Send { payload, .. } = command(said) else {
            panic!("not sent to a node");
        };
        let from = NodeId("m".into());
        event(Event::Received { from, payload }).unwrap()
    };
    let pass = ClusterCommand::Pass {
        node: node.clone(),
        flush: flush.clone(),
    };
    assert_eq!(carry(pass), ClusterEvent::Passed(flush));
    let (room, peer) = handed_over;
    let answer = ClusterCommand::HandedOver {
        node,
        room: room.clone(),
        peer: peer.clone(),
    };
    assert_eq!(carry(answer), ClusterEvent::HandedOver { room, peer });
}

#[test]
fn a_peer_that_cannot_be_read_is_left_out_of_a_roster_and_counted() {
    let entry = |member: &str, data: Bytes| Entry {
        member: member.into(),
        node: NodeId("m".into()),
        fence: 1,
        data,
    };
    let readable = member_blob(&Payload::new("{}".into(), 0));
    let roster = vec![
        entry("bob", readable),
        entry("sue", Bytes::from_static(&[0, VERSION + 1, 0])),
        entry("ann", Bytes::new()),
        entry("tom", Bytes::from_static(&[0])),
    ];
    let asserted = Event::Asserted {
        room: "r".into(),
        epoch: 1,
        version: 1,
        roster,
    };
    let mut left_out = 0;
    let Ok(ClusterEvent::Asserted { roster, .. }) = read_event(asserted, &mut left_out) else {
        panic!()
    };
    assert_eq!((roster.len(), left_out), (1, 3));
}
