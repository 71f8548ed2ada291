//! What a client does by itself, against nodes in this process.

use std::{future::Future, time::Duration};

use ::client::{
    Asked, Client, ConnectError, Event, Events, Failure, Json, Options, PeerId, Reason, RoomId,
    State, Wanted, connect,
};
use tokio::time::{sleep, timeout};
use trunkline_tests::{Cluster, Node, PATIENCE, Proxy, free_port};

fn peer(name: &str) -> PeerId {
    PeerId::new(name.to_owned()).unwrap()
}

fn json(text: &str) -> Json {
    Json::new(text).unwrap()
}

fn url(node: &Node) -> String {
    format!("ws://{}", node.public)
}

fn options(name: &str) -> Options {
    Options {
        peer: Some(peer(name)),
        ..Options::new(RoomId::new("r").unwrap())
    }
}

async fn soon<T>(what: &str, it: impl Future<Output = T>) -> T {
    let happened = timeout(PATIENCE, it).await;
    happened.unwrap_or_else(|_| panic!("no {what} in time"))
}

async fn enter(urls: &[String], options: Options) -> (Client, Events) {
    let (client, events) = connect(urls, options).unwrap();
    soon("place in the room", client.announce(json("{}")))
        .await
        .unwrap();
    (client, events)
}

/// The next event that `is` what is waited for.
async fn hear<T>(what: &str, events: &mut Events, is: impl Fn(Event) -> Option<T>) -> T {
    let heard = async {
        loop {
            let event = events.next().await.expect("the client to live");
            if let Some(heard) = is(event) {
                return heard;
            }
        }
    };
    soon(what, heard).await
}

fn left(event: Event) -> Option<String> {
    match event {
        Event::Left { member, .. } => Some(member.peer.to_string()),
        _ => None,
    }
}

fn asked(event: Event) -> Option<Asked> {
    match event {
        Event::Requested(asked) => Some(asked),
        _ => None,
    }
}

fn closed(event: Event) -> Option<Option<u16>> {
    match event {
        Event::State(State::Closed { code, .. }) => Some(code),
        _ => None,
    }
}

fn announced(event: Event) -> Option<()> {
    matches!(event, Event::State(State::Announced { .. })).then_some(())
}

fn reconnecting(event: Event) -> Option<()> {
    matches!(event, Event::State(State::Reconnecting { .. })).then_some(())
}

fn said(event: Event) -> Option<u32> {
    match event {
        Event::Message(said) => Some(said.body.as_str().parse().unwrap()),
        _ => None,
    }
}

#[tokio::test]
async fn an_application_that_looks_late_misses_nothing() {
    let node = Node::alone();
    let urls = [url(&node)];
    let (bob, _) = enter(&urls, options("bob")).await;
    let few = Options {
        events: 8,
        ..options("sue")
    };
    let (_sue, mut hears) = enter(&urls, few).await;
    let sending = tokio::spawn(async move {
        let all = (0..200).map(|n| bob.send(peer("sue"), json(&n.to_string())));
        futures_util::future::join_all(all).await
    });
    sleep(Duration::from_millis(300)).await;
    for n in 0..200 {
        assert_eq!(hear("message", &mut hears, said).await, n);
    }
    for outcome in soon("acknowledgement", sending).await.unwrap() {
        assert_eq!(outcome, Ok(()));
    }
}

#[tokio::test]
async fn a_client_whose_node_stops_goes_on_at_another_and_what_it_says_arrives() {
    let mut cluster = Cluster::default();
    let window = Duration::from_secs(8);
    let mut start = || cluster.start_with(window, Duration::from_secs(25));
    let (one, other) = (start(), start());
    let (sue, mut hears) = enter(&[url(&other)], options("sue")).await;
    let (bob, _) = enter(&[url(&one)], options("bob")).await;
    drop(bob);
    assert_eq!(hear("departure", &mut hears, left).await, "bob");
    // Whichever of them it begins at.
    let (bob, _) = enter(&[url(&one), url(&other)], options("bob")).await;
    let stopping = tokio::spawn(one.stop());
    for n in 0..50 {
        let sent = bob.send(peer("sue"), json(&n.to_string()));
        assert_eq!(soon("acknowledgement", sent).await, Ok(()));
    }
    for n in 0..50 {
        assert_eq!(hear("message", &mut hears, said).await, n);
    }
    stopping.await.unwrap();
    drop(sue);
}

#[tokio::test]
async fn a_client_whose_place_is_taken_ends_and_all_that_it_waits_for_is_settled() {
    let node = Node::alone();
    let urls = [url(&node)];
    let silent = Options {
        accepts: false,
        ..options("sue")
    };
    let (_sue, mut sue_hears) = enter(&urls, silent).await;
    let (bob, mut bob_hears) = enter(&urls, options("bob")).await;
    let kept = bob.keepsake().await.unwrap();
    let waiting = bob.clone();
    let request = tokio::spawn(async move {
        let wanted = Wanted::Peer(peer("sue"));
        waiting.request(wanted, Some(Duration::from_secs(60))).await
    });
    hear("request", &mut sue_hears, asked).await;
    let taking = Options {
        resume: kept,
        ..options("bob")
    };
    let (_again, _) = enter(&urls, taking).await;
    assert_eq!(hear("end", &mut bob_hears, closed).await, Some(3502));
    assert_eq!(bob_hears.next().await, None);
    let failed = soon("answer", request).await.unwrap().unwrap_err();
    assert!(
        matches!(
            failed,
            Failure::Closed {
                code: Some(3502),
                ..
            }
        ),
        "{failed:?}"
    );
    let failed = bob.send(peer("sue"), json("1")).await.unwrap_err();
    assert!(matches!(failed, Failure::Closed { .. }), "{failed:?}");
}

#[tokio::test]
async fn a_client_that_has_just_come_back_and_whose_place_is_taken_asks_for_it_once_more() {
    let node = Node::alone();
    let proxy = Proxy::start(node.public);
    let urls = [format!("ws://{}", proxy.address)];
    let (bob, mut bob_hears) = enter(&urls, options("bob")).await;
    hear("place", &mut bob_hears, announced).await;
    let kept = bob.keepsake().await.unwrap();
    proxy.reset();
    hear("return", &mut bob_hears, announced).await;
    // To the node this may be bob's last socket as well as another client.
    let taking = Options {
        resume: kept,
        ..options("bob")
    };
    let (_again, mut other_hears) = enter(&[url(&node)], taking).await;
    hear("place again", &mut bob_hears, announced).await;
    assert_eq!(
        hear("end", &mut other_hears, closed).await,
        Some(3502),
        "it has lost nothing, and does not come back"
    );
    let (sue, _) = enter(&[url(&node)], options("sue")).await;
    assert_eq!(sue.send(peer("bob"), json("7")).await, Ok(()));
    assert_eq!(hear("message", &mut bob_hears, said).await, 7);
}

#[tokio::test]
async fn a_client_that_leaves_while_it_has_no_connection_enters_again_at_once() {
    let node = Node::alone();
    let mut proxy = Proxy::start(node.public);
    let urls = [format!("ws://{}", proxy.address)];
    let (bob, mut bob_hears) = enter(&urls, options("bob")).await;
    proxy.cut().await;
    hear("loss", &mut bob_hears, reconnecting).await;
    bob.leave().await.unwrap();
    proxy.restore().await;
    let entered = soon("place in the room", bob.announce(json("{}"))).await;
    assert_eq!(entered, Ok(peer("bob")));
}

#[tokio::test]
async fn what_no_node_takes_is_refused_and_costs_no_connection() {
    let node = Node::alone();
    let (bob, mut bob_hears) = enter(&[url(&node)], options("bob")).await;
    hear("place", &mut bob_hears, announced).await;
    let much = json(&format!(r#"{{"a":"{}"}}"#, "x".repeat(300_000)));
    let most = 4096;
    let refused = bob.announce(much.clone()).await.unwrap_err();
    assert_eq!(refused, Failure::TooLong { most });
    let refused = bob.request(Wanted::Match(much), None).await.unwrap_err();
    assert_eq!(refused, Failure::TooLong { most });
    bob.announce(json("{}")).await.unwrap();
    let next = hear("event", &mut bob_hears, Some).await;
    let is_announced = matches!(next, Event::State(State::Announced { .. }));
    assert!(is_announced, "{next:?}");
}

#[tokio::test]
async fn requests_are_accepted_by_the_client_or_declined_by_its_application() {
    let node = Node::alone();
    let urls = [url(&node)];
    let (bob, _) = enter(&urls, options("bob")).await;
    let (_sue, mut sue_hears) = enter(&urls, options("sue")).await;
    let wanted = || Wanted::Peer(peer("sue"));
    let (found, data) = bob.request(wanted(), None).await.unwrap();
    assert_eq!((found, data), (peer("sue"), json("{}")));
    hear("request", &mut sue_hears, asked).await;
    let choosy = Options {
        accepts: false,
        ..options("ann")
    };
    let (ann, mut ann_hears) = enter(&urls, choosy).await;
    let declining = tokio::spawn(async move {
        let asked = hear("request", &mut ann_hears, asked).await;
        ann.decline(&asked, Some("not now".into())).await.unwrap();
        ann
    });
    let failed = bob.request(Wanted::Peer(peer("ann")), None).await;
    let expected = Failure::Peer {
        reason: Reason::Declined,
        peer: Some(peer("ann")),
        message: Some("not now".into()),
    };
    assert_eq!(failed, Err(expected));
    drop(declining.await.unwrap());
}

#[tokio::test]
async fn where_no_node_is_everything_is_settled_all_the_same() {
    let nobody = [format!("ws://127.0.0.1:{}", free_port())];
    let impatient = Options {
        patience: Duration::from_millis(300),
        ..options("bob")
    };
    let (bob, mut events) = connect(&nobody, impatient).unwrap();
    let time = Some(Duration::from_millis(100));
    let announced = bob.announce(json("{}"));
    let sent = async {
        sleep(Duration::from_millis(10)).await;
        bob.send(peer("sue"), json("1")).await
    };
    let requested = async {
        sleep(Duration::from_millis(10)).await;
        bob.request(Wanted::Peer(peer("sue")), time).await
    };
    let all = async { tokio::join!(announced, sent, requested) };
    let (announced, sent, requested) = soon("end of all", all).await;
    let reasons = [
        announced.unwrap_err(),
        sent.unwrap_err(),
        requested.unwrap_err(),
    ];
    for failure in reasons {
        assert_eq!(failure.reason(), Some(Reason::Unreachable), "{failure:?}");
    }
    soon("end", bob.close()).await;
    assert_eq!(hear("end", &mut events, closed).await, None);
}

#[tokio::test]
async fn who_leaves_is_seen_to_leave_and_may_enter_again() {
    let node = Node::alone();
    let urls = [url(&node)];
    let (_sue, mut hears) = enter(&urls, options("sue")).await;
    let (bob, _) = enter(&urls, options("bob")).await;
    bob.leave().await.unwrap();
    assert_eq!(hear("departure", &mut hears, left).await, "bob");
    let failed = bob.broadcast(json("1")).await;
    assert_eq!(failed, Err(Failure::NotAnnounced));
    bob.announce(json("{}")).await.unwrap();
    bob.broadcast(json("7")).await.unwrap();
    assert_eq!(hear("message", &mut hears, said).await, 7);
    bob.close().await;
    assert_eq!(hear("departure", &mut hears, left).await, "bob");
}

#[test]
fn what_is_no_url_of_a_node_is_refused_at_once() {
    for url in ["", "http://a", "wss://a", "ws:///x", "a:1"] {
        let refused = connect([url], options("bob")).unwrap_err();
        assert!(matches!(refused, ConnectError::Url { .. }), "{refused:?}");
    }
    let none: [&str; 0] = [];
    let refused = connect(none, options("bob")).unwrap_err();
    assert!(matches!(refused, ConnectError::NoUrl), "{refused:?}");
}

#[test]
fn a_token_that_no_node_would_read_is_refused_at_once() {
    let tokened = Options {
        token: Some("x".repeat(4097).into()),
        ..options("bob")
    };
    let refused = connect(["ws://127.0.0.1:1"], tokened).unwrap_err();
    assert!(matches!(refused, ConnectError::Token), "{refused:?}");
}
