use super::*;

#[test]
fn messages_are_numbered_for_each_receiver_and_settled_up_to_what_is_acknowledged() {
    let mut bob = Bench::bob();
    let tickets = [bob.send("1"), bob.send("2"), bob.send("3")];
    assert_eq!(bob.said(), [(1, 1), (2, 1), (3, 1)]);
    bob.session.send(bob.now, id("ann"), json("1"));
    bob.poll();
    assert_eq!(bob.said(), [(1, 1)]);
    bob.hear(&acked(2));
    for ticket in &tickets[..2] {
        assert_eq!(bob.outcome(*ticket), Some(Ok(Settled::Delivered)));
    }
    assert_eq!(bob.outcome(tickets[2]), None);
    bob.send("4");
    assert_eq!(bob.said(), [(4, 3)]);
}

#[test]
fn another_session_s_acknowledgements_and_verdicts_are_not_ours() {
    let mut bob = Bench::bob();
    let ticket = bob.send("1");
    bob.hear(&acked(1).replace("s1", "s0"));
    bob.hear(&undelivered(1, "gone").replace("s1", "s0"));
    assert_eq!(bob.outcome(ticket), None);
}

#[test]
fn what_is_not_acknowledged_is_said_again_in_order_on_the_next_socket_and_when_its_receiver_is_there()
 {
    let mut bob = Bench::bob();
    bob.send("1");
    bob.send("2");
    bob.hear(&acked(1));
    bob.clear();
    bob.lose();
    bob.send("3");
    assert!(bob.said().is_empty());
    bob.connect("s1");
    assert!(bob.said().is_empty());
    bob.hear(MEMBERS);
    assert_eq!(bob.said(), [(2, 2), (3, 2)]);
    for kind in ["updated", "resumed", "joined"] {
        bob.hear(&format!(
            r#"{{"type":"{kind}","peer":"sue","data":{{}},"tag":"0123456789abcdef0"}}"#
        ));
        assert_eq!(bob.said(), [(2, 2), (3, 2)], "{kind}");
        bob.hear(&format!(
            r#"{{"type":"{kind}","peer":"ann","data":{{}},"tag":"0123456789abcdef0"}}"#
        ));
        assert!(bob.said().is_empty(), "{kind}");
    }
}

#[test]
fn suspended_is_a_notice_and_other_reasons_are_verdicts() {
    let mut bob = Bench::bob();
    let ticket = bob.send("1");
    bob.hear(&undelivered(1, "suspended"));
    assert_eq!(bob.outcome(ticket), None);
    for reason in ["no-match", "gone", "unreachable", "overloaded", "timeout"] {
        let mut bob = Bench::bob();
        let ticket = bob.send("1");
        bob.hear(&undelivered(1, reason));
        assert_eq!(bob.why_not(ticket).unwrap().label(), reason);
    }
}

#[test]
fn who_leaves_or_is_not_there_any_more_is_gone_for_all_that_waits() {
    for frame in [
        r#"{"type":"left","peer":"sue","reason":"expired"}"#,
        &MEMBERS.replace(r#"{"peer":"sue","data":{},"tag":"0123456789abcdef0"}"#, ""),
    ] {
        let mut bob = Bench::bob();
        let tickets = [bob.send("1"), bob.send("2")];
        bob.hear(frame);
        for ticket in tickets {
            assert_eq!(bob.why_not(ticket), Some(Reason::Gone));
        }
        let left = bob.events.iter();
        assert_eq!(
            left.filter(|event| matches!(event, Event::Left { .. }))
                .count(),
            1
        );
    }
}

#[test]
fn the_next_message_says_that_nobody_need_wait_for_one_that_was_given_up() {
    let mut bob = Bench::bob();
    bob.send("1");
    bob.send("2");
    bob.said();
    bob.hear(&undelivered(1, "unreachable"));
    // What is left is said again soon, with what is now the lowest number.
    bob.wait(Duration::from_millis(150));
    assert_eq!(bob.said(), [(2, 2)]);
}

#[test]
fn no_more_messages_wait_for_a_receiver_than_the_node_says() {
    let mut bob = Bench::bob();
    for _ in 0..4 {
        bob.send("1");
    }
    let ticket = bob.send("5");
    assert_eq!(bob.why_not(ticket), Some(Reason::Overloaded));
    bob.hear(&acked(1));
    let ticket = bob.send("5");
    assert_eq!(bob.outcome(ticket), None);
}

#[test]
fn a_message_that_no_node_would_take_is_refused() {
    let mut bob = Bench::bob();
    let ticket = bob.send(&format!("\"{}\"", "x".repeat(1000)));
    let outcome = bob.outcome(ticket).unwrap();
    assert_eq!(outcome, Err(Failure::TooLong { most: 1000 }));
    let body = json(&format!("\"{}\"", "x".repeat(1000)));
    assert_eq!(
        bob.session.broadcast(body),
        Err(Failure::TooLong { most: 1000 })
    );
}

#[test]
fn what_nobody_hears_of_is_said_again_and_given_up_at_last() {
    let mut bob = Bench::bob();
    let ticket = bob.send("1");
    bob.wait(Duration::from_secs(6));
    assert_eq!(bob.said(), [(1, 1), (1, 1)]);
    bob.wait(PATIENCE);
    assert_eq!(bob.why_not(ticket), Some(Reason::Timeout));
    assert_eq!(bob.session.poll_timeout(), None);
    // Also where there is no connection.
    bob.lose();
    let ticket = bob.send("2");
    let announce = bob.session.announce(bob.now, json("{}"));
    bob.wait(PATIENCE);
    for ticket in [ticket, announce] {
        assert_eq!(bob.why_not(ticket), Some(Reason::Unreachable));
    }
}

#[test]
fn each_message_is_told_once_and_in_order() {
    let mut bob = Bench::bob();
    assert!(bob.message("s", 3, 3));
    assert!(!bob.message("s", 3, 3));
    assert!(!bob.message("s", 5, 3), "four is missing");
    assert!(bob.message("s", 4, 3));
    assert!(bob.message("s", 5, 3));
    assert!(!bob.message("s", 9, 8), "eight is missing");
    assert!(bob.message("s", 8, 8), "six and seven were given up");
    assert!(bob.message("t", 1, 1), "another session counts anew");
    assert!(!bob.message("s", 8, 8));
}

#[test]
fn acknowledgements_cover_all_before_them_and_are_not_said_for_what_is_before_its_turn() {
    let mut bob = Bench::bob();
    for n in 1..=3 {
        bob.message("s", n, 1);
    }
    assert!(bob.acks().is_empty());
    bob.wait(Duration::from_millis(20));
    assert_eq!(bob.acks(), [3]);
    bob.message("s", 5, 1);
    bob.wait(Duration::from_millis(20));
    assert!(bob.acks().is_empty());
    // What comes twice is acknowledged twice: the first time may be lost.
    bob.message("s", 2, 1);
    bob.wait(Duration::from_millis(20));
    assert_eq!(bob.acks(), [3]);
    bob.lose();
    bob.connect("s1");
    bob.hear(MEMBERS);
    assert_eq!(bob.acks(), [3]);
}

#[test]
fn broadcasts_are_told_once_and_wait_for_a_connection() {
    let mut bob = Bench::bob();
    let frame =
        |n| format!(r#"{{"type":"message","from":"sue","session":"s","n":{n},"body":{n}}}"#);
    for n in [1, 1, 3, 2] {
        bob.hear(&frame(n));
    }
    assert_eq!(bob.events.len(), 2);
    bob.lose();
    bob.session.broadcast(json("1")).unwrap();
    bob.connect("s1");
    bob.frames.clear();
    bob.hear(MEMBERS);
    assert!(matches!(&bob.frames[..], [ClientFrame::Broadcast(said)] if said.n == 1));
}
