//! A frame of the native dialect: what is read of it is written so that it is read alike, by whichever side. And the same text
//! as what another node may say: clients are told what they can read, or nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{
    Form, Payload, PeerId, ServerMessage,
    native::{self, ClientFrame, Matcher, Searchable, Seated, client, payload, server},
    rtcio,
};

fuzz_target!(|frame: &str| {
    if let Ok(said) = client::decode(frame) {
        if let ClientFrame::Announce(announce) = &said {
            let _ = Matcher::new(&announce.data).finds(&Searchable::new(announce.data.as_str()));
        }
        assert_eq!(client::decode(&client::encode(&said)), Ok(said));
    }
    if let Ok(told) = server::decode(frame) {
        assert_eq!(server::decode(&server::encode(&told)), Ok(told));
    }
    let Ok(from) = PeerId::new("bob") else {
        return;
    };
    for form in Form::ALL {
        let payload = Payload::of(form, frame.into(), frame.len() / 2);
        let _ = (
            payload::numbered(&payload),
            payload::reply(&payload),
            payload.owner(),
        );
        let (from, peer) = (from.clone(), from.clone());
        let attributes = payload.clone();
        for message in [
            ServerMessage::Message { from, payload },
            ServerMessage::Joined { peer, attributes },
        ] {
            let _ = rtcio::encode(&message);
            let _ = native::encode(&message, Seated::default);
        }
    }
});
