//! What the targets share: relays on virtual time, and what must hold after every input.

pub mod messages;
pub mod places;
pub mod settings;
pub mod world;

use turn_credentials::Secret;

pub const REALM: &str = "trunkline";
pub const UNIX: u64 = 1_700_000_000;

/// As the relay names them.
pub const USERS: [&str; 4] = ["alice", "bob", "carol", "nobody"];

pub(crate) fn secret() -> Secret {
    Secret::new(b"a shared secret")
}

pub(crate) fn other_secret() -> Secret {
    Secret::new(b"another secret")
}

/// Name and password.
pub fn login(number: u8) -> (String, String) {
    let carol = |hours: u64, secret: &Secret| {
        let username = format!("{}:carol", UNIX + 3600 * hours);
        let password = secret.password(&username).as_str().to_owned();
        (username, password)
    };
    match number % 7 {
        0 => ("alice".into(), "alice's password".into()),
        1 => ("bob".into(), "bob's password".into()),
        2 => ("alice".into(), "not hers".into()),
        newer @ (3 | 4) => carol(newer.into(), &secret()),
        newer => carol(newer.into(), &other_secret()),
    }
}
