use super::*;

const IN_USE: &str =
    r#"{"type":"error","code":"id-in-use","message":"m","temporary":true,"about":"announce"}"#;

#[test]
fn an_id_that_another_has_is_refused_and_what_was_agreed_on_before_stays() {
    let mut bob = Bench::new(config(Some("bob")));
    let ticket = bob.session.announce(bob.now, json("{}"));
    bob.connect("s1");
    let waits = bob.send("1");
    bob.hear(IN_USE);
    let refused = bob.outcome(ticket).unwrap().unwrap_err();
    assert!(
        matches!(&refused, Failure::Refused { code, temporary: true, .. } if &**code == "id-in-use"),
        "{refused:?}"
    );
    assert_eq!(bob.outcome(waits), Some(Err(refused)));
    bob.frames.clear();
    bob.lose();
    bob.connect("s1");
    assert_eq!(bob.frames.len(), 1, "hello alone: {:?}", bob.frames);
}

#[test]
fn an_id_that_our_own_lost_connection_still_holds_is_tried_again() {
    let mut bob = Bench::bob();
    bob.lose();
    bob.connect("s1");
    bob.clear();
    bob.hear(IN_USE);
    bob.wait(Duration::from_millis(500));
    let kinds: Vec<_> = bob.frames.iter().map(ClientFrame::kind).collect();
    assert_eq!(kinds, ["announce"]);
    bob.hear(MEMBERS);
    assert!(bob.session.is_present());
    assert!(
        !bob.events
            .iter()
            .any(|event| matches!(event, Event::Error { .. }))
    );
}

#[test]
fn an_id_that_a_node_which_died_had_taken_for_us_is_tried_until_the_cluster_has_swept_it() {
    let mut bob = Bench::new(config(Some("bob")));
    let ticket = bob.session.announce(bob.now, json("{}"));
    bob.connect("s1");
    // The node has heard the announce, and nobody has heard the node: there is no token to resume with.
    bob.lose();
    bob.connect("s2");
    // Ten seconds of its lease, and four until the sweep.
    for _ in 0..28 {
        bob.frames.clear();
        bob.hear(IN_USE);
        bob.wait(Duration::from_millis(500));
        let kinds: Vec<_> = bob.frames.iter().map(ClientFrame::kind).collect();
        assert_eq!(kinds, ["announce"]);
    }
    bob.hear(MEMBERS);
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Announced(id("bob")))));
}

/// Bob comes back when his window is long over. Gives what he has said that is not acknowledged.
fn comes_back_late() -> (Bench, Ticket) {
    let mut bob = Bench::bob();
    let ticket = bob.send("1");
    bob.lose();
    bob.wait(Duration::from_secs(30));
    bob.connect("s1");
    bob.events.clear();
    bob.frames.clear();
    (bob, ticket)
}

fn kinds(bench: &mut Bench) -> Vec<&'static str> {
    let kinds = bench.frames.iter().map(ClientFrame::kind).collect();
    bench.frames.clear();
    kinds
}

#[test]
fn who_comes_back_when_its_id_is_another_s_is_in_no_room_and_nothing_waits() {
    let (mut bob, ticket) = comes_back_late();
    bob.hear(IN_USE);
    assert!(matches!(
        &bob.events[..],
        [Event::Left { .. }, Event::Error { .. }]
    ));
    assert_eq!(bob.session.members().count(), 0);
    let refused = bob.outcome(ticket).unwrap().unwrap_err();
    assert!(matches!(refused, Failure::Refused { .. }), "{refused:?}");
    let ticket = bob.send("2");
    assert_eq!(bob.outcome(ticket), Some(Err(Failure::NotAnnounced)));
    let ticket = bob.session.announce(bob.now, json("{}"));
    bob.hear(MEMBERS);
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Announced(id("bob")))));
}

#[test]
fn who_is_told_that_its_id_is_another_s_is_not_in_the_room_any_more() {
    let mut bob = Bench::bob();
    let ticket = bob.send("1");
    bob.hear(IN_USE);
    assert!(bob.outcome(ticket).is_some());
    assert!(!bob.session.is_present());
    assert_eq!(bob.session.members().count(), 0);
}

#[test]
fn a_node_that_cannot_take_who_comes_back_is_asked_again() {
    let (mut bob, ticket) = comes_back_late();
    for _ in 0..3 {
        bob.hear(&IN_USE.replace("id-in-use", "unavailable"));
        bob.wait(Duration::from_millis(500));
        assert_eq!(kinds(&mut bob), ["announce"]);
    }
    bob.hear(MEMBERS);
    assert!(bob.session.is_present());
    bob.hear(&acked(1));
    assert_eq!(bob.outcome(ticket), Some(Ok(Settled::Delivered)));
}

#[test]
fn where_other_data_is_refused_to_who_comes_back_what_was_announced_before_is() {
    let mut bob = Bench::bob();
    bob.lose();
    let ticket = bob.session.announce(bob.now, json(r#"{"a":1}"#));
    bob.connect("s1");
    bob.clear();
    let bad = IN_USE
        .replace("id-in-use", "bad-field")
        .replace("true", "false");
    bob.hear(&bad);
    assert!(bob.outcome(ticket).unwrap().is_err());
    bob.wait(Duration::from_millis(1));
    let [ClientFrame::Announce(said)] = &bob.frames[..] else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!(said.data, json("{}"));
    bob.frames.clear();
    // A node that takes neither will not take it the next time.
    bob.hear(&bad);
    bob.wait(PATIENCE);
    assert_eq!(kinds(&mut bob), [] as [&str; 0]);
    let ticket = bob.send("1");
    assert_eq!(bob.outcome(ticket), Some(Err(Failure::NotAnnounced)));
}

#[test]
fn who_leaves_while_there_is_no_connection_keeps_the_token_for_its_place() {
    let mut bob = Bench::bob();
    let kept = bob.session.keepsake();
    bob.lose();
    bob.session.leave();
    assert_eq!(bob.session.keepsake(), kept);
    bob.session.announce(bob.now, json("{}"));
    bob.connect("s1");
    let ClientFrame::Hello(hello) = &bob.frames[0] else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!(hello.resume, kept.map(|kept| kept.token));
    // A node hears this one.
    bob.hear(MEMBERS);
    bob.session.leave();
    bob.poll();
    assert_eq!(bob.session.keepsake(), None);
}
