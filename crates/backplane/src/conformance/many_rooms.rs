//! Rooms enough that every partition has some.

use std::collections::BTreeMap;

use super::*;

const ROOMS: usize = 200;

fn name(number: usize) -> ByteString {
    format!("room {number}").into()
}

/// What is heard until `done` says so; everything in the order of its room.
async fn hear(member: &mut Member, mut done: impl FnMut(&Event) -> bool) {
    loop {
        if done(&member.next().await) {
            return;
        }
    }
}

async fn join_all(member: &mut Member, who: &'static str) {
    for number in 0..ROOMS {
        member.submit(Command::Join {
            token: number as u64,
            room: name(number),
            member: who.into(),
            data: Bytes::new(),
            want_roster: true,
        });
    }
    let mut joined = 0;
    hear(member, |event| {
        joined += usize::from(matches!(event, Event::Joined { .. }));
        joined == ROOMS
    })
    .await;
}

pub(super) async fn what_holds_for_one_room_holds_for_many(c: &impl Cluster) {
    let (mut a, mut b) = (
        Member::bounded(c, "a", 8192).await,
        Member::bounded(c, "b", 8192).await,
    );
    join_all(&mut a, "bob").await;
    join_all(&mut b, "sue").await;
    for number in 0..ROOMS * 3 {
        let payload = Bytes::from(number.to_string());
        let room = name(number % ROOMS);
        a.submit(match number % 2 {
            0 => Command::Send {
                node: node("b"),
                room,
                payload,
            },
            _ => Command::Publish {
                room,
                nodes: vec![node("b")],
                payload,
            },
        });
    }
    let mut heard: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut all = 0;
    hear(&mut b, |event| {
        if let Event::Received { payload, .. } | Event::Published { payload, .. } = event {
            let number: usize = std::str::from_utf8(payload).unwrap().parse().unwrap();
            heard.entry(number % ROOMS).or_default().push(number);
            all += 1;
        }
        all == ROOMS * 3
    })
    .await;
    for (room, numbers) in heard {
        assert_eq!(numbers, [room, room + ROOMS, room + 2 * ROOMS]);
    }
    // A node that is gone has left all of them, each once.
    a.backplane = None;
    let mut left: Vec<ByteString> = Vec::new();
    hear(&mut b, |event| {
        if let Event::Changed {
            room,
            change: Change::Left { member, .. },
            ..
        } = event
        {
            assert_eq!(member, "bob");
            left.push(room.clone());
        }
        left.len() == ROOMS
    })
    .await;
    left.sort();
    left.dedup();
    assert_eq!(left.len(), ROOMS);
}
