use super::*;
use crate::CloseReason;

#[track_caller]
fn lifetime(reaction: Reaction) -> u64 {
    reaction.success().lifetime()
}

#[test]
fn a_refresh_prolongs_from_now_on() {
    let mut server = Server::with_allocation();
    server.advance(599 * SECOND);
    assert_eq!(lifetime(server.refresh(&[])), 600);
    server.advance(600 * SECOND - MOMENT);
    assert_eq!(lifetime(server.refresh(&[Attr::Lifetime(1800)])), 1800);
    server.advance(1800 * SECOND - MOMENT);
    server.handle_timeout();
    assert_eq!(server.closed, []);
    server.advance(MOMENT);
    server.handle_timeout();
    assert_eq!(server.closed.len(), 1);
}

#[test]
fn lifetimes_are_between_ten_minutes_and_an_hour() {
    let mut server = Server::with_allocation();
    for (asked, granted) in [(1, 600), (600, 600), (601, 601), (3600, 3600), (3601, 3600)] {
        assert_eq!(lifetime(server.refresh(&[Attr::Lifetime(asked)])), granted);
    }
    let forever = Attr::Lifetime(u32::MAX);
    assert_eq!(lifetime(server.refresh(&[forever])), 3600);
}

#[test]
fn a_lifetime_of_zero_deletes() {
    let mut server = Server::with_allocation();
    assert_eq!(lifetime(server.refresh(&[Attr::Lifetime(0)])), 0);
    assert_eq!(server.closed[0].reason, CloseReason::Deleted);
    assert_eq!(server.relay.poll_timeout(), None);
    assert_eq!(code_of(&server.refresh(&[Attr::Lifetime(0)])), 437);
}

#[test]
fn a_refresh_of_another_family_is_443() {
    let mut server = Server::with_allocation();
    assert_eq!(code_of(&server.refresh(&[Attr::Family(2)])), 443);
    assert_eq!(code_of(&server.refresh(&[Attr::Family(7)])), 443);
    assert_eq!(code_of(&server.refresh(&[Attr::Raw(0x0017, &[])])), 400);
    assert_eq!(code_of(&server.refresh(&[Attr::Family(1)])), 200);
}

#[test]
fn a_malformed_lifetime_is_400_and_changes_nothing() {
    let mut server = Server::with_allocation();
    let end = server.relay.poll_timeout();
    server.advance(SECOND);
    assert_eq!(code_of(&server.refresh(&[Attr::Raw(0x000D, &[0, 0])])), 400);
    assert_eq!(server.relay.poll_timeout(), end);
}

#[test]
fn no_allocation_is_older_than_the_greatest_age() {
    let mut server = Server::with(Config {
        max_allocation_age: 1000 * SECOND,
        ..config()
    });
    let reply = server.allocate_with(HERE, ALICE, &[Attr::Lifetime(3600)]);
    assert_eq!(reply.lifetime(), 1000);
    server.advance(300 * SECOND);
    assert_eq!(lifetime(server.refresh(&[])), 600);
    server.advance(300 * SECOND);
    assert_eq!(lifetime(server.refresh(&[])), 400);
    server.advance(400 * SECOND);
    assert_eq!(code_of(&server.refresh(&[])), 437);
}
