//! A text frame of an rtc.io client, and that what is relayed of it decodes to itself.

#![no_main]

use bytestring::ByteString;
use libfuzzer_sys::fuzz_target;
use protocol::{
    ClientMessage,
    rtcio::{Refusal, decode},
};

fuzz_target!(|frame: &str| {
    let once: Result<ClientMessage, Refusal> = decode(&ByteString::from(frame));
    let payload = match &once {
        Ok(ClientMessage::Send { payload, .. } | ClientMessage::Broadcast { payload, .. }) => {
            payload
        }
        Ok(ClientMessage::Announce { attributes, .. }) => attributes,
        Ok(ClientMessage::Leave { .. } | ClientMessage::Request { .. }) | Err(_) => return,
    };
    assert!(payload.text().ends_with(payload.body()));
    assert_eq!(decode(payload.text()), once);
});
