//! Whose a name is, and who may take it.

use super::*;

/// Data of this owner, which may be none, that says something besides.
fn of(owner: &str, says: &str) -> Bytes {
    let length = u8::try_from(owner.len()).unwrap();
    Bytes::from([&[length], owner.as_bytes(), says.as_bytes()].concat())
}

impl Member {
    fn ask_join_of(&self, owner: &str) {
        self.submit(Command::Join {
            token: 9,
            room: ROOM,
            member: "bob".into(),
            data: of(owner, "!"),
            want_roster: true,
        });
    }

    /// Bob joins as this owner's, and everybody in the room is told.
    async fn join_of(&mut self, owner: &str) -> u64 {
        self.ask_join_of(owner);
        let (mut got, mut echoed) = (None, false);
        while got.is_none() || !echoed {
            match self.next().await {
                Event::Joined { fence, roster, .. } => {
                    let roster = roster.unwrap();
                    let bob = roster.iter().find(|entry| entry.member == "bob").unwrap();
                    assert_eq!((bob.fence, &bob.data), (fence, &of(owner, "!")));
                    got = Some(fence);
                }
                Event::Changed { .. } => echoed = true,
                other => panic!("{other:?}"),
            }
        }
        got.unwrap()
    }

    /// Bob may not join as this owner's, and nothing else is heard.
    async fn is_refused(&mut self, owner: &str) {
        self.ask_join_of(owner);
        let refused = Event::JoinRefused {
            token: 9,
            room: ROOM,
        };
        assert_eq!(self.next().await, refused);
        self.assert_silent().await;
    }
}

pub(super) async fn a_name_with_an_owner_is_not_taken_by_another(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let fence = a.join_of("x").await;
    for other in ["y", "xx", ""] {
        b.is_refused(other).await;
        // Where the name is, no less.
        a.is_refused(other).await;
    }
    let roster = b.assert_room(vec![]).await;
    assert_eq!(names(&roster), ["bob@a"]);
    assert_eq!((roster[0].fence, &roster[0].data), (fence, &of("x", "!")));
    b.join("sue").await;
    assert_eq!(a.change().await, (2, "joined sue b".into()));
    a.assert_silent().await;
}

pub(super) async fn the_owner_takes_its_name_again_from_another_node(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let first = a.join_of("x").await;
    let second = b.join_of("x").await;
    assert!(second > first);
    assert_eq!(a.change().await, (2, "joined bob b".into()));
    let third = b.join_of("x").await;
    assert!(third > second);
    a.change().await;
    a.is_refused("y").await;
}

pub(super) async fn a_name_without_an_owner_is_taken_by_anybody(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join_of("").await;
    b.join_of("").await;
    a.change().await;
    b.join_of("y").await;
    a.change().await;
    a.is_refused("").await;
}

pub(super) async fn a_guarded_name_is_free_when_its_member_has_left(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    let fence = a.join_of("x").await;
    b.is_refused("y").await;
    a.leave("bob", fence);
    assert_eq!(b.change().await, (2, "left bob a".into()));
    b.join_of("y").await;
}

pub(super) async fn a_guarded_name_is_free_when_its_node_is_gone(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join_of("x").await;
    b.is_refused("y").await;
    drop(a.backplane.take());
    assert_eq!(b.change().await, (2, "left bob a".into()));
    b.join_of("y").await;
}

pub(super) async fn an_assert_of_a_claim_that_was_not_seen_takes_no_name_of_another_owner(
    c: &impl Cluster,
) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join_of("x").await;
    for data in [of("y", "mine"), of("", "mine")] {
        let roster = b.assert_room(vec![("bob".into(), 0, data)]).await;
        assert_eq!(names(&roster), ["bob@a"]);
    }
    a.assert_silent().await;
    // The owner's is one that it has made since.
    let roster = b
        .assert_room(vec![("bob".into(), 0, of("x", "mine"))])
        .await;
    assert_eq!(names(&roster), ["bob@b"]);
    assert_eq!(a.change().await, (2, "joined bob b".into()));
}

pub(super) async fn a_refused_join_keeps_no_room_in_the_queue(c: &impl Cluster) {
    let mut a = Member::new(c, "a").await;
    let mut narrow = Member::bounded(c, "narrow", 2).await;
    a.join_of("x").await;
    for _ in 0..5 {
        narrow.is_refused("y").await;
    }
}

pub(super) async fn who_is_refused_hears_of_the_room_until_forgetting_it(c: &impl Cluster) {
    let (mut a, mut b) = (Member::new(c, "a").await, Member::new(c, "b").await);
    a.join_of("x").await;
    b.is_refused("y").await;
    a.join("sue").await;
    assert_eq!(b.change().await, (2, "joined sue a".into()));
    b.submit(Command::Forget { room: ROOM });
    b.assert_silent().await;
    a.join("ann").await;
    b.assert_silent().await;
}
