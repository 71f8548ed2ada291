use super::*;

fn requests(bench: &mut Bench) -> Vec<client::Request> {
    let said = bench.frames.iter().filter_map(|frame| match frame {
        ClientFrame::Request(request) => Some(request.clone()),
        _ => None,
    });
    let said = said.collect();
    bench.frames.clear();
    said
}

#[test]
fn a_request_that_is_not_answered_is_asked_again_with_what_is_left_of_its_time() {
    let mut bob = Bench::bob();
    let time = Some(Duration::from_secs(3));
    let ticket = bob
        .session
        .request(bob.now, Wanted::Match(json(r#"{"name":"sue"}"#)), time);
    bob.poll();
    let first = requests(&mut bob).remove(0);
    assert_eq!(first.timeout_ms, Some(3000));
    bob.lose();
    bob.wait(Duration::from_secs(1));
    bob.connect("s1");
    bob.hear(MEMBERS);
    let again = requests(&mut bob).remove(0);
    assert_eq!((&again.id, again.timeout_ms), (&first.id, Some(2000)));
    let answer = |reason: &str| {
        let id = &first.id;
        format!(
            r#"{{"type":"answer","id":"{id}","ok":true,"peer":"sue","data":{{"a":1}}{reason}}}"#
        )
    };
    bob.hear(&answer(""));
    bob.hear(&answer(r#","reason":"timeout""#));
    let accepted = Settled::Accepted {
        peer: id("sue"),
        data: json(r#"{"a":1}"#),
    };
    assert_eq!(bob.outcome(ticket), Some(Ok(accepted)));
}

#[test]
fn a_request_that_no_node_answers_is_settled_half_a_second_after_its_time() {
    for is_connected in [true, false] {
        let mut bob = Bench::bob();
        let ticket = bob.session.request(bob.now, Wanted::Peer(id("sue")), None);
        if !is_connected {
            bob.lose();
        }
        bob.wait(Duration::from_millis(4_499));
        assert_eq!(bob.outcome(ticket), None);
        bob.wait(Duration::from_millis(1));
        let reason = match is_connected {
            true => Reason::Timeout,
            false => Reason::Unreachable,
        };
        assert_eq!(bob.why_not(ticket), Some(reason));
    }
}

#[test]
fn what_no_node_takes_as_data_is_neither_announced_nor_asked_for() {
    let mut bob = Bench::bob();
    let of_bytes = |bytes: usize| json(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8)));
    for bytes in [4097, 300_000] {
        let wanted = Wanted::Match(of_bytes(bytes));
        for ticket in [
            bob.session.announce(bob.now, of_bytes(bytes)),
            bob.session.request(bob.now, wanted, None),
        ] {
            bob.poll();
            let too_long = Failure::TooLong { most: 4096 };
            assert_eq!(bob.outcome(ticket), Some(Err(too_long)));
        }
    }
    assert_eq!(bob.frames, []);
    let ticket = bob.session.announce(bob.now, of_bytes(4096));
    bob.poll();
    assert_eq!((bob.outcome(ticket), bob.frames.len()), (None, 1));
}

#[test]
fn a_no_has_the_reason_and_the_words_of_who_said_it() {
    let mut bob = Bench::bob();
    let ticket = bob.session.request(bob.now, Wanted::Peer(id("sue")), None);
    bob.poll();
    let name = requests(&mut bob).remove(0).id;
    bob.hear(&format!(
        r#"{{"type":"answer","id":"{name}","ok":false,"peer":"sue","reason":"declined","message":"no"}}"#
    ));
    let declined = Failure::Peer {
        reason: Reason::Declined,
        peer: Some(id("sue")),
        message: Some("no".into()),
    };
    assert_eq!(bob.outcome(ticket), Some(Err(declined)));
}

#[test]
fn another_s_request_is_told_once_and_its_first_answer_said_as_often_as_it_is_asked() {
    let mut bob = Bench::bob();
    let requested = r#"{"type":"requested","id":"q","from":"sue","data":{}}"#;
    bob.hear(requested);
    bob.hear(requested);
    let asked = Asked {
        id: "q".into(),
        from: id("sue"),
        data: json("{}"),
    };
    assert_eq!(bob.events, [Event::Requested(asked)]);
    assert_eq!(bob.frames, []);
    bob.session.accept(&id("sue"), &"q".into());
    bob.session.decline(&id("sue"), &"q".into(), Some("no"));
    bob.hear(requested);
    let kinds: Vec<_> = bob.frames.iter().map(ClientFrame::kind).collect();
    assert_eq!(kinds, ["accept", "accept"]);
    assert_eq!(bob.events.len(), 1);
}

#[test]
fn an_answer_that_is_given_while_there_is_no_connection_is_said_on_the_next_one() {
    let mut bob = Bench::bob();
    bob.hear(r#"{"type":"requested","id":"q","from":"sue","data":{}}"#);
    bob.lose();
    let reason = "ü".repeat(200);
    bob.session.decline(&id("sue"), &"q".into(), Some(&reason));
    bob.connect("s1");
    bob.frames.clear();
    bob.hear(MEMBERS);
    let [ClientFrame::Decline(said)] = &bob.frames[..] else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!(said.reason.as_ref().unwrap().len(), 256);
}

#[test]
fn who_comes_after_an_earlier_client_takes_its_id_and_begins_a_session_of_its_own() {
    let mut bob = Bench::bob();
    let kept = bob.session.keepsake().unwrap();
    bob = Bench::new(Config {
        resume: Some(kept),
        ..config(None)
    });
    bob.session.announce(bob.now, json("{}"));
    bob.connect("s9");
    let (ClientFrame::Hello(hello), ClientFrame::Announce(announce)) =
        (&bob.frames[0], &bob.frames[1])
    else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!((hello.resume.as_deref(), hello.anew), (Some("t"), true));
    assert_eq!(announce.peer, Some(id("bob")));
    bob.hear(MEMBERS);
    bob.lose();
    bob.frames.clear();
    bob.connect("s9");
    let ClientFrame::Hello(hello) = &bob.frames[0] else {
        panic!("{:?}", bob.frames);
    };
    assert_eq!((hello.resume.as_deref(), hello.anew), (Some("t"), false));
}
