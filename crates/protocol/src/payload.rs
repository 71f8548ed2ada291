use bytestring::ByteString;

/// What a peer said, as its dialect wrote it.
///
/// `text` is handed on verbatim to receivers of the same dialect; the *body* is its part that means something to every
/// dialect:
///
/// ```text
/// /to|sue|/sdp|bob|{"type":"offer",…}        text
///         /sdp|bob|{"type":"offer",…}        body of a directed message
/// /announce|bob|{"id":"bob","room":"r1"}     text
///               {"id":"bob","room":"r1"}     body of an announcement: the attributes
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    form: Form,
    text: ByteString,
    body: usize,
}

/// What a payload's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// A frame of an rtc.io client.
    RtcIo,
    /// An announcement of a native client: `owner|room|` and the data, which is the body.
    Announcement,
    /// A message of a native client; like those that follow, fields of the frame that its receiver is told. The last one's
    /// value is the body.
    Message,
    /// A message has come.
    Ack,
    /// A message has not been delivered.
    Undelivered,
    /// A peer asks whether the receiver will talk.
    Request,
    /// It will.
    Accept,
    /// It will not.
    Decline,
    /// The sender's connection is lost; of nodes, for nodes. The body is the fence of the claim.
    Suspension,
}

impl Form {
    /// All of them, in the order of [`Self::number`].
    pub const ALL: [Self; 9] = [
        Self::RtcIo,
        Self::Announcement,
        Self::Message,
        Self::Ack,
        Self::Undelivered,
        Self::Request,
        Self::Accept,
        Self::Decline,
        Self::Suspension,
    ];

    /// Its place in [`Self::ALL`], which stays as it is.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl Payload {
    /// Of an rtc.io client. `body` is the offset of the body in `text`, in bytes; an offset that does not lie on a
    /// character boundary inside `text` leaves the body empty.
    pub fn new(text: ByteString, body: usize) -> Self {
        Self::of(Form::RtcIo, text, body)
    }

    /// Of any form.
    pub fn of(form: Form, text: ByteString, body: usize) -> Self {
        let body = if text.is_char_boundary(body) {
            body
        } else {
            text.len()
        };
        Self { form, text, body }
    }

    /// What the text is.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The whole text.
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

    /// Who alone may announce the peer of this announcement again; nobody in particular where it is empty.
    pub fn owner(&self) -> &str {
        match self.text.split_once('|') {
            Some((owner, _)) if self.form == Form::Announcement => owner,
            Some(_) | None => "",
        }
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

    #[test]
    fn a_form_is_found_by_its_number() {
        for (number, form) in Form::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(form.number()), number);
        }
    }
}
