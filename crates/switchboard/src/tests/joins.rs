//! What waits behind an announce.

use super::{native::said, *};

#[test]
fn however_much_waits_for_an_answer_a_leave_or_an_announce_behind_it_counts() {
    for leaves in [true, false] {
        let mut board = Board::with_natives(&[(1, "bob")]);
        board.answers = false;
        board.connect_native(2);
        board.announce_native(2, "sue", "{}");
        for n in 1..=300 {
            board.say(2, "bob", said("bob", n));
        }
        match leaves {
            true => board.leave(2),
            false => board.announce_native(2, "sue", r#"{"mood":"busy"}"#),
        }
        // Nothing overtakes it.
        board.say(2, "bob", said("bob", 301));
        board.asked.clear();
        board.forget_told();
        board.event(ClusterEvent::Joined {
            connection: ConnectionId(2),
            room: room("r"),
            fence: 50,
            epoch: 1,
            version: 8,
            roster: None,
        });
        assert_eq!(
            board.told[&1].len(),
            257 + usize::from(leaves),
            "{:?}",
            board.told[&1]
        );
        let has = |board: &Board| board.switchboard.members(&room("r")).count();
        assert_eq!(has(&board), if leaves { 1 } else { 2 });
        let joins = board.asked.iter();
        let joins = joins.filter(|command| matches!(command, ClusterCommand::Join { .. }));
        assert_eq!(joins.count(), usize::from(!leaves));
    }
}
