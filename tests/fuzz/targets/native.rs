//! A frame of the native dialect: what is read of it is written so that it is read alike, by whichever side.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::native::{ClientFrame, client, has_all_of, server};

fuzz_target!(|frame: &str| {
    if let Ok(said) = client::decode(frame) {
        if let ClientFrame::Announce(announce) = &said {
            let _ = has_all_of(&announce.data, &announce.data);
        }
        assert_eq!(client::decode(&client::encode(&said)), Ok(said));
    }
    if let Ok(told) = server::decode(frame) {
        assert_eq!(server::decode(&server::encode(&told)), Ok(told));
    }
});
