//! A frame of the native dialect: what is read of it is written so that it is read alike, by whichever side.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::native::{ClientFrame, Matcher, client, server};

fuzz_target!(|frame: &str| {
    if let Ok(said) = client::decode(frame) {
        if let ClientFrame::Announce(announce) = &said {
            let _ = Matcher::new(&announce.data).finds(announce.data.as_str());
        }
        assert_eq!(client::decode(&client::encode(&said)), Ok(said));
    }
    if let Ok(told) = server::decode(frame) {
        assert_eq!(server::decode(&server::encode(&told)), Ok(told));
    }
});
