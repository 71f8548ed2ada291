//! What comes to a DTLS listener from somebody unknown: a ClientHello is found in it or not, and what is answered is
//! shorter than it was.

#![no_main]

use libfuzzer_sys::fuzz_target;

use client_hello::{Alert, COOKIE, ClientHello, of_nobody};

// It is the relay's own, of no use to anybody else, and needs nothing of what is around it there.
#[path = "../../../services/turn/src/dtls/client_hello.rs"]
mod client_hello;

/// Type, version, epoch, sequence number and length, RFC 6347 §4.1.
const RECORD_HEADER: usize = 13;

fuzz_target!(|datagram: &[u8]| {
    let Some(hello) = ClientHello::read(datagram) else {
        return;
    };
    let cookie = [0xC0; COOKIE];
    let verify_request = hello.verify_request(&cookie);
    assert!(verify_request.ends_with(&cookie));
    let alert = match hello.is_of_our_version() {
        true => Alert::HandshakeFailure,
        false => Alert::ProtocolVersion,
    };
    for answer in [&verify_request, &hello.refusal(alert)] {
        assert!(answer.len() < datagram.len());
        assert_eq!(answer[5..11], *hello.sequence);
        let length = usize::from(u16::from_be_bytes([answer[11], answer[12]]));
        assert_eq!(answer.len(), RECORD_HEADER + length);
    }
    // What was read stands where it was read.
    assert!(hello.random.len() == 32 && datagram[27..].starts_with(hello.random));
    assert!(hello.cookie.len() <= 255);
    let nobody = of_nobody();
    let nobody = ClientHello::read(&nobody).expect("a ClientHello");
    assert!(nobody.is_of_our_version() && nobody.cookie.is_empty());
});
