//! What links are made to, and what is refused.

use super::{
    super::error::LinkError,
    client::link,
    servers::{CLUSTER, GUARDED, ONE, RedisServer, free_port, own_prefix},
};

async fn refused(url: &str) -> LinkError {
    link(url, &own_prefix()).await.unwrap_err()
}

#[tokio::test]
async fn the_life_is_that_of_the_server_s_start() {
    let first = link(&ONE.url(), "x").await.unwrap().server.life;
    assert_eq!(link(&ONE.url(), "x").await.unwrap().server.life, first);
    assert!(first < 1 << 21);
    let other = RedisServer::start();
    assert_ne!(link(&other.url(), "x").await.unwrap().server.life, first);
}

#[tokio::test]
async fn a_wrong_scheme_is_refused_with_the_right_one() {
    let member = CLUSTER[0].url();
    let host = member.trim_start_matches("redis://");
    assert_eq!(
        refused(&member).await.to_string(),
        format!("{host} belongs to a Redis Cluster; name it as redis-cluster://{host}")
    );
    let single = ONE.url().replace("redis://", "redis-cluster://");
    let error = refused(&single).await.to_string();
    assert!(error.contains("cluster support disabled"), "{error}");
    let sentinel = GUARDED.sentinel.url();
    let error = refused(&sentinel).await;
    assert!(matches!(error, LinkError::IsSentinel(_)), "{error}");
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &ONE.port.to_string()]);
    let error = refused(&replica.url()).await;
    assert!(matches!(error, LinkError::IsReplica(_)), "{error}");
}

#[tokio::test]
async fn a_master_that_no_sentinel_knows_is_named() {
    let url = GUARDED.url().replace("mymaster", "other");
    let error = refused(&url).await.to_string();
    assert!(
        error.starts_with("no sentinel knows a master called other"),
        "{error}"
    );
}

#[tokio::test]
async fn no_error_shows_a_password() {
    let locked = RedisServer::with(&["--requirepass", "open sesame"]);
    let port = locked.port;
    let right = format!("redis://:open%20sesame@127.0.0.1:{port}");
    link(&right, "x").await.unwrap();
    let gone = free_port();
    for url in [
        format!("redis://:swordfish@127.0.0.1:{port}"),
        format!("redis://swordfish:swordfish@127.0.0.1:{port}"),
        format!("redis://:swordfish@127.0.0.1:{gone}"),
        format!("redis-sentinel://:swordfish@127.0.0.1:{port}/m"),
        format!("redis-cluster://:swordfish@127.0.0.1:{port}"),
    ] {
        let error = refused(&url).await;
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("swordfish"), "{shown}");
    }
}

#[tokio::test]
async fn partitions_of_one_master_share_its_connections() {
    let url = CLUSTER[2].url().replace("redis://", "redis-cluster://");
    let topology =
        super::super::topology::Topology::new("x", super::super::url::read(&url).unwrap());
    let mut servers = Vec::new();
    let mut links = Vec::new();
    for partition in 0..topology.partitions() {
        let link = topology.link(partition).await.unwrap();
        let server = std::sync::Arc::as_ptr(&link.server);
        if !servers.contains(&server) {
            servers.push(server);
        }
        links.push(link);
    }
    assert_eq!((links.len(), servers.len()), (64, 3));
}
