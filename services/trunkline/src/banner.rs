//! What a person sees who starts the program by hand.

use std::{
    fmt::{Display, Write},
    io::{self, Write as _},
    net::SocketAddr,
};

use signal::Signal;

/// Says on standard error why the program cannot run.
pub(crate) fn complain(error: &dyn Display) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr(), "trunkline: {error}");
}

/// Says on standard output what listens where, what to open next, and what is not safe.
pub(crate) fn dev(signal: &Signal, relay: &[SocketAddr], relay_tls: &[SocketAddr]) {
    let (public, admin) = (signal.public_addresses(), signal.admin_addresses());
    let text = text(&public, relay, relay_tls, &admin);
    let mut out = io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn text(
    public: &[SocketAddr],
    relay: &[SocketAddr],
    relay_tls: &[SocketAddr],
    admin: &[SocketAddr],
) -> String {
    let mut out = format!("\n  Trunkline {} (dev)\n\n", env!("CARGO_PKG_VERSION"));
    let mut line = |what: &str, rest: String| {
        let _ = writeln!(out, "  {what:<12}{rest}");
    };
    let page = format!(
        "http://localhost:{}",
        public.first().map_or(0, SocketAddr::port)
    );
    line(
        "demo page",
        format!("{page}   open it in two tabs and call yourself"),
    );
    line("tutorial", format!("{page}/docs/tutorial"));
    for address in public {
        line(
            "signalling",
            format!(
                "ws://{address}/   rtc.io 6.x clients, also at /primus; native ones at /v1/connect"
            ),
        );
    }
    for address in relay {
        line(
            "relay",
            format!("{address}   UDP and TCP, STUN and TURN; credentials at {page}/v1/ice"),
        );
    }
    for address in relay_tls {
        line("relay", format!("{address}   TLS"));
    }
    let is_open = |addresses: &[SocketAddr]| addresses.iter().any(|it| !it.ip().is_loopback());
    if is_open(public) && !is_open(relay) && !is_open(relay_tls) {
        let why = "serves this machine alone: who comes over the network is told of none";
        line("", format!("{why}; --turn-listen opens it"));
    }
    for address in admin {
        line("metrics", format!("http://{address}/metrics"));
    }
    let _ = writeln!(out);
    let mut insecure = vec![
        "no authentication: whoever connects may join any room, under any id that no native client has",
        "no list of origins: a page of any web site that is open in a browser here may connect",
        "relay credentials for everybody: who can ask for /v1/ice may relay to this machine's addresses",
    ];
    if is_open(public) {
        insecure.push("open to the network: every host that reaches this one may connect");
        insecure.push("no TLS: browsers give the camera only to pages of localhost or https");
    }
    if is_open(relay) || is_open(relay_tls) {
        insecure.push(
            "the relay is open to the network, and relays to the Internet and to this host for it",
        );
    }
    if is_open(admin) {
        insecure.push("metrics are open to the network");
    }
    for default in insecure {
        let _ = writeln!(out, "  ! {default}");
    }
    let _ = writeln!(
        out,
        "\n  Ctrl-C stops it; `trunkline dev --help` shows every option.\n"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_for(public: &str) -> String {
        text(
            &[public.parse().unwrap()],
            &["127.0.0.1:3478".parse().unwrap()],
            &[],
            &["127.0.0.1:8081".parse().unwrap()],
        )
    }

    #[test]
    fn the_banner_says_what_to_open_and_what_is_not_safe() {
        let text = text_for("127.0.0.1:8080");
        assert!(text.contains("http://localhost:8080"), "{text}");
        assert!(
            text.contains("http://localhost:8080/docs/tutorial"),
            "{text}"
        );
        assert!(text.contains("ws://127.0.0.1:8080/ "), "{text}");
        assert!(text.contains("/v1/connect"), "{text}");
        assert!(text.contains("http://127.0.0.1:8081/metrics"), "{text}");
        assert_eq!(text.matches("\n  ! ").count(), 3, "{text}");
    }

    #[test]
    fn listening_to_the_network_is_named_as_insecure() {
        let text = text_for("0.0.0.0:8080");
        assert!(text.contains("! open to the network"), "{text}");
        assert!(text.contains("! no TLS"), "{text}");
        assert!(!text.contains("the relay is open"), "{text}");
        assert!(text.contains("--turn-listen opens it"), "{text}");
        let open: Vec<SocketAddr> = vec!["0.0.0.0:3478".parse().unwrap()];
        let text = super::text(&open, &open, &[], &[]);
        assert!(text.contains("! the relay is open"), "{text}");
    }
}
