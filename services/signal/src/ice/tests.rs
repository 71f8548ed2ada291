use backplane::fleet::Memory;

use super::*;

#[test]
fn the_host_is_the_one_the_client_asked_for() {
    for (host_header, expected) in [
        ("localhost:8080", Some("localhost")),
        ("example.org", Some("example.org")),
        ("127.0.0.1:80", Some("127.0.0.1")),
        ("[::1]:8080", Some("[::1]")),
        ("a\"b", None),
        (":80", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host_header));
        assert_eq!(host(&headers), expected, "{host_header}");
    }
}

fn asked() -> Asked<'static> {
    Asked {
        client: IpAddr::from([192, 0, 2, 1]),
        own: IpAddr::from([192, 0, 2, 2]),
        host: None,
        user: None,
        ttl: Duration::from_secs(3600),
    }
}

fn with_urls() -> IceServers {
    IceServers {
        urls: vec!["turn:example.org".to_owned()],
        secrets: MintSecrets::open(&["s".to_owned()], None).unwrap(),
        ..IceServers::none()
    }
}

#[test]
fn without_random_numbers_there_is_no_credential() {
    let ice = with_urls();
    assert_eq!(answer(&ice, asked(), || Ok(1)).status(), StatusCode::OK);
    let response = answer(&ice, asked(), || Err(getrandom::Error::UNSUPPORTED));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// A node in `eu` whose fleet has these relays: id, region, secret, draining.
fn with_fleet(
    relays: &[(&str, &str, &str, bool)],
    secrets: &[&str],
) -> (IceServers, Vec<Arc<dyn Fleet>>) {
    let memory = Memory::default();
    let mut attached = Vec::new();
    for (id, region, secret, draining) in relays {
        let (fleet, _) = memory.attach();
        fleet.register(Relay {
            id: (*id).to_owned(),
            region: (*region).to_owned(),
            urls: vec![format!("turn:{id}.example")],
            secrets: vec![Secret::new(secret.as_bytes()).id()],
            load: 0,
            capacity: 10,
            draining: *draining,
        });
        attached.push(fleet);
    }
    let secrets: Vec<_> = secrets.iter().map(|text| (*text).to_owned()).collect();
    let servers = IceServers {
        secrets: MintSecrets::open(&secrets, None).unwrap(),
        fleet: Some(Region {
            fleet: memory.attach().0,
            name: "eu".to_owned(),
        }),
        ..IceServers::none()
    };
    (servers, attached)
}

/// The first URL of each server.
fn urls(servers: &IceServers) -> Vec<String> {
    let list = servers.list(asked(), || Ok(4711)).unwrap();
    let url = |server: &Value| server["urls"][0].as_str().unwrap().to_owned();
    list.iter().map(url).collect()
}

#[test]
fn each_relay_gets_a_credential_of_a_secret_that_it_has() {
    let fleet = [
        ("a", "eu", "old", false),
        ("b", "us", "new", false),
        ("c", "eu", "x", false),
    ];
    let (servers, _held) = with_fleet(&fleet, &["new", "old"]);
    let list = servers.list(asked(), || Ok(4711)).unwrap();
    assert_eq!(list.len(), 2, "{list:?}");
    for (server, secret) in list.iter().zip(["old", "new"]) {
        let text = |key: &str| server[key].as_str().unwrap();
        let secret = Secret::new(secret.as_bytes());
        let password = secret.password(text("username"));
        assert_eq!(password.as_str(), text("credential"));
    }
}

#[test]
fn servers_that_the_node_was_told_of_count_among_the_three() {
    let fleet = [
        ("a", "eu", "s", false),
        ("b", "eu", "s", false),
        ("c", "us", "s", false),
        ("d", "eu", "s", true),
    ];
    let (mut servers, _held) = with_fleet(&fleet, &["s"]);
    let mut told = urls(&servers);
    told[..2].sort();
    assert_eq!(told, ["turn:a.example", "turn:b.example", "turn:c.example"]);
    servers.foreign = vec![url::foreign_server("stun:foreign.example").unwrap()];
    let mut told = urls(&servers);
    told[..2].sort();
    assert_eq!(
        told,
        ["turn:a.example", "turn:b.example", "stun:foreign.example"]
    );
    servers.urls = vec!["turn:told.example".to_owned()];
    let told = urls(&servers);
    assert_eq!(told.len(), 3);
    assert_eq!(told[1..], ["turn:told.example", "stun:foreign.example"]);
}

#[test]
fn one_credential_for_all_is_of_a_secret_that_some_relay_has() {
    let fleet = [("a", "eu", "old", false)];
    let (servers, _held) = with_fleet(&fleet, &["new", "old"]);
    let asked = Asked {
        user: Some("alice"),
        ..asked()
    };
    let grant = servers.grant(asked, || Ok(1)).unwrap().unwrap();
    assert_eq!(grant.urls, ["turn:a.example"]);
    let username = Username::parse(&grant.credential.username).unwrap();
    assert_eq!(username.user(), "alice");
    let password = Secret::new(b"old").password(&grant.credential.username);
    assert_eq!(password.as_str(), grant.credential.password.as_str());
    let (servers, _held) = with_fleet(&[("a", "eu", "s", true)], &["s"]);
    assert!(servers.grant(asked, || Ok(1)).unwrap().is_none());
}

#[test]
fn a_name_comes_back_from_its_username_as_it_was() {
    assert!(is_user("alice") && is_user("a:b/c") && is_user("Zoë"));
    let traced = format!("alice/{}", "0af7651916cd43dd8448eb211c80319c");
    for name in ["", "a\nb", traced.as_str(), &"x".repeat(129)] {
        assert!(!is_user(name), "{name:?}");
    }
}
