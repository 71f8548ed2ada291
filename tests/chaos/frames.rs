//! The frames of the rtc.io dialect that members speak, with numbers in them.

use protocol::rtcio::GREETING;

use crate::history::{Event, PeerNumber};

/// What came.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame {
    Greeting,
    RoomInfo,
    Event(Event),
}

fn attributes(peer: PeerNumber, room: u32, session: u32) -> String {
    format!(r#"{{"id":"p{peer}","room":"r{room}","session":{session}}}"#)
}

pub(crate) fn announce(peer: PeerNumber, room: u32, session: u32) -> String {
    format!("/announce|p{peer}|{}", attributes(peer, room, session))
}

/// The announce with which rtc-signaller answers another's.
pub(crate) fn answer(to: PeerNumber, peer: PeerNumber, room: u32, session: u32) -> String {
    format!("/to|p{to}|{}", announce(peer, room, session))
}

pub(crate) fn leave(peer: PeerNumber) -> String {
    format!(r#"/leave|p{peer}|{{"id":"p{peer}"}}"#)
}

pub(crate) fn directed(to: PeerNumber, from: PeerNumber, session: u32, number: u32) -> String {
    format!("/to|p{to}|/m|p{from}|{session}:{number}")
}

pub(crate) fn broadcast(from: PeerNumber, session: u32, number: u32) -> String {
    format!("/b|p{from}|{session}:{number}")
}

/// What a frame says to the peer `own`.
pub(crate) fn parse(frame: &str, own: PeerNumber) -> Frame {
    if frame == GREETING {
        return Frame::Greeting;
    }
    if frame.starts_with("/roominfo|") {
        return Frame::RoomInfo;
    }
    let (to, rest) = match frame.strip_prefix("/to|") {
        Some(rest) => match rest.split_once('|') {
            Some((to, rest)) => (Some(to), rest),
            None => return Frame::Event(Event::Strange),
        },
        None => (None, frame),
    };
    let for_me = to.is_none_or(|to| number(to) == Some(own));
    let event = for_me.then(|| parts(rest, to.is_some())).flatten();
    Frame::Event(event.unwrap_or(Event::Strange))
}

fn parts(frame: &str, directed: bool) -> Option<Event> {
    let mut parts = frame.splitn(3, '|');
    let (command, peer, rest) = (parts.next()?, number(parts.next()?)?, parts.next()?);
    match (command, directed) {
        ("/announce", _) => {
            let (_, session) = rest.split_once(r#","session":"#)?;
            let session = session.strip_suffix('}')?.parse().ok()?;
            Some(Event::Announced {
                peer,
                session,
                directed,
            })
        }
        ("/leave", false) => Some(Event::Left { peer }),
        ("/m", true) => {
            let (session, number) = numbers(rest)?;
            Some(Event::HeardDirected {
                from: peer,
                session,
                number,
            })
        }
        ("/b", false) => {
            let (session, number) = numbers(rest)?;
            Some(Event::HeardBroadcast {
                from: peer,
                session,
                number,
            })
        }
        _ => None,
    }
}

fn number(peer: &str) -> Option<PeerNumber> {
    peer.strip_prefix('p')?.parse().ok()
}

fn numbers(text: &str) -> Option<(u32, u32)> {
    let (session, number) = text.split_once(':')?;
    Some((session.parse().ok()?, number.parse().ok()?))
}

#[test]
fn what_is_written_is_read() {
    let announced = |directed| Event::Announced {
        peer: 3,
        session: 2,
        directed,
    };
    let heard = |frame: &str| parse(frame, 5);
    assert_eq!(heard(&announce(3, 1, 2)), Frame::Event(announced(false)));
    assert_eq!(heard(&answer(5, 3, 1, 2)), Frame::Event(announced(true)));
    assert_eq!(heard(&leave(3)), Frame::Event(Event::Left { peer: 3 }));
    let (from, session, number) = (3, 2, 9);
    let said = Event::HeardDirected {
        from,
        session,
        number,
    };
    assert_eq!(heard(&directed(5, 3, 2, 9)), Frame::Event(said));
    let said = Event::HeardBroadcast {
        from,
        session,
        number,
    };
    assert_eq!(heard(&broadcast(3, 2, 9)), Frame::Event(said));
    for strange in [directed(6, 3, 2, 9), answer(6, 3, 1, 2), "/x".to_owned()] {
        assert_eq!(heard(&strange), Frame::Event(Event::Strange), "{strange}");
    }
}
