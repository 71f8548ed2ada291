use bytestring::ByteString;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON value as its writer wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(ByteString);

impl Json {
    /// `text` must be one JSON value, with nothing around it but white space.
    ///
    /// # Errors
    /// When it is not.
    pub fn new(text: &str) -> Result<Self, serde_json::Error> {
        let raw: &RawValue = serde_json::from_str(text)?;
        Ok(Self::from_raw(raw))
    }

    /// `{}`.
    pub fn nothing() -> Self {
        Self(ByteString::from_static("{}"))
    }

    pub(super) fn from_raw(raw: &RawValue) -> Self {
        Self(raw.get().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // It was one when it was read: this copies it.
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

/// A frame in JSON.
pub(super) fn written(frame: &impl Serialize) -> ByteString {
    // Nothing in a frame cannot be written: its keys are strings, and its values were read or are plain.
    serde_json::to_string(frame).unwrap_or_default().into()
}
