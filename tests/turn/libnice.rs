//! libnice, the ICE of GStreamer, Janus and Pidgin, as Debian has it.

use std::path::Path;

use trunkline_tests::Process;

use crate::scripts;

/// Two agents that have no candidate but a relayed one, until each has heard all that the other says.
#[track_caller]
fn two_agents_talk(transport: &str) {
    let relay = Process::turn(&["--turn-user", "u:p", "--turn-allow-peers", "127.0.0.0/8"]);
    // The system's: its bindings are a package of the system.
    let python = Path::new("/usr/bin/python3");
    let said = scripts::said(python, "libnice_call.py", relay.public, &[transport]);
    assert_eq!(said, "200 came through each way\n");
}

#[test]
fn agents_of_libnice_talk_through_the_relay_alone_over_udp() {
    two_agents_talk("udp");
}

#[test]
fn agents_of_libnice_talk_through_the_relay_alone_over_tcp() {
    two_agents_talk("tcp");
}
