use bytestring::ByteString;

/// What a peer said, as its dialect wrote it.
///
/// `text` is the whole frame, handed on verbatim to receivers of the same dialect; the *body* is its part
/// that means something to every dialect:
///
/// ```text
/// /to|sue|/sdp|bob|{"type":"offer",…}        text
///         /sdp|bob|{"type":"offer",…}        body of a directed message
/// /announce|bob|{"id":"bob","room":"r1"}     text
///               {"id":"bob","room":"r1"}     body of an announcement: the attributes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    text: ByteString,
    body: usize,
}

impl Payload {
    /// `body` is the offset of the body in `text`, in bytes; an offset that does not lie on a character
    /// boundary inside `text` leaves the body empty.
    pub fn new(text: ByteString, body: usize) -> Self {
        let body = if text.is_char_boundary(body) {
            body
        } else {
            text.len()
        };
        Self { text, body }
    }

    /// The whole frame.
    pub fn text(&self) -> &ByteString {
        &self.text
    }

    /// The part every dialect can read.
    pub fn body(&self) -> &str {
        &self.text[self.body..]
    }

    /// Offset of the body in the text, in bytes.
    pub fn body_offset(&self) -> usize {
        self.body
    }

    /// Bytes this payload takes in a queue.
    pub fn size(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_rest_of_the_text_from_its_offset() {
        let payload = Payload::new("/to|sue|/ping|bob".into(), 8);
        assert_eq!(payload.body(), "/ping|bob");
    }

    #[test]
    fn an_offset_outside_the_text_leaves_the_body_empty() {
        assert_eq!(Payload::new("/é".into(), 2).body(), "");
        assert_eq!(Payload::new("/e".into(), 9).body(), "");
    }
}
