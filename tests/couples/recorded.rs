//! What two ends have said to each other once: the descriptions of a data channel, and candidates as browsers write them.

use serde_json::{Value, json};

const OFFER: &str = include_str!("recorded/offer.sdp");
const ANSWER: &str = include_str!("recorded/answer.sdp");
const CANDIDATES: &str = include_str!("recorded/candidates.txt");

/// Signals that each side says: a description, and ten candidates.
pub(crate) const SIGNALS: usize = 11;

pub(crate) fn offer() -> String {
    OFFER.replace('\n', "\r\n")
}

pub(crate) fn answer() -> String {
    ANSWER.replace('\n', "\r\n")
}

/// All that one side says, in order: its description, and candidates, of which the first may be a real one.
pub(crate) fn script(kind: &str, sdp: &str, candidate: Option<&str>) -> Vec<Value> {
    let candidates = candidate.into_iter().chain(CANDIDATES.lines());
    let candidates = candidates.map(
        |line| json!({ "candidate": { "candidate": line, "sdpMid": "0", "sdpMLineIndex": 0 } }),
    );
    let description = json!({ "description": { "type": kind, "sdp": sdp } });
    let mut all: Vec<Value> = [description].into_iter().chain(candidates).collect();
    all.truncate(SIGNALS);
    for (number, signal) in all.iter_mut().enumerate() {
        signal["number"] = number.into();
    }
    all
}
