//! Beats and leases.

use super::{
    client::{self, Client, node},
    servers::{ONE, own_prefix},
};
use crate::partition::{Published, Reply, Request};

async fn store() -> Client {
    Client::new(&ONE.url(), &own_prefix(), &[], &["a", "b"]).await
}

#[tokio::test]
async fn a_beat_comes_back_on_the_node_s_own_channel() {
    let mut client = store().await;
    let Reply::Beaten {
        renewed: false,
        lapsed,
        next: None,
        now,
    } = client.beat("a").await
    else {
        panic!()
    };
    assert_eq!(lapsed, []);
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let since = u64::try_from(since.as_millis()).unwrap();
    assert!(now <= since && since < now + 10_000, "{now}");
    let beat = Published::Beat { nonce: u64::MAX };
    let heard = client.heard().await;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].1, Some(beat));
}

#[tokio::test]
async fn a_beat_says_whether_the_lease_was_valid_and_whose_has_lapsed() {
    let client = store().await;
    client.beat_for("dead", 0, 1).await;
    client.beat("b").await;
    let lapsed = vec![node("dead")];
    for again in [false, true] {
        let Reply::Beaten {
            renewed,
            lapsed: told,
            next,
            ..
        } = client.beat("a").await
        else {
            panic!()
        };
        assert_eq!((renewed, told), (again, lapsed.clone()));
        let next = next.expect("b's");
        assert!((1..=client::TTL).contains(&next), "{next}");
    }
    let nodes = vec![node("a"), node("dead"), node("stranger")];
    let leases = client.ask(&Request::Leases { nodes }).await;
    assert_eq!(leases, Reply::Leases(vec![true, false, false]));
}

#[tokio::test]
async fn a_lease_ends_when_its_time_is_over() {
    let client = store().await;
    client.beat_for("a", 500, 1).await;
    assert!(client.join("a", "r", "bob", 0).await.is_some());
    tokio::time::sleep(std::time::Duration::from_millis(510)).await;
    assert!(client.join("a", "r", "bob", 0).await.is_none());
}
