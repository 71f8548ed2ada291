use std::{borrow::Cow, collections::BTreeMap};

use bytestring::ByteString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Digest, ErrorCode, FrameError, Json, MAX_NUMBER, PARTS};
use crate::{IdError, PeerId, RoomId};

/// The fields of a frame by their names, of which each reader takes those that it knows.
pub(super) struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// A name in JSON, borrowed where nothing in it is escaped.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// The fields of a frame, and its type.
    pub(super) fn read(frame: &'a str) -> Result<(String, Self), FrameError> {
        let named: BTreeMap<Name<'a>, &'a RawValue> =
            serde_json::from_str(frame).map_err(|error| {
                let message = format!("a frame is one JSON object: {error}");
                FrameError::new(ErrorCode::NotJson, message)
            })?;
        let fields = Self::of(named);
        let kind = fields.optional_text("type", usize::MAX);
        match kind {
            Ok(Some(kind)) => Ok((kind.to_string(), fields)),
            Ok(None) | Err(_) => {
                let message = "a frame has a \"type\", which is a string";
                Err(FrameError::new(ErrorCode::UnknownType, message))
            }
        }
    }

    fn of(named: BTreeMap<Name<'a>, &'a RawValue>) -> Self {
        let named = named.into_iter();
        Self(named.map(|(name, value)| (name.0, value)).collect())
    }

    /// A field that is not there, or is `null`, is none.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        let value = self.0.get(name).copied();
        value.filter(|value| value.get() != "null")
    }

    fn parse<T: Deserialize<'a>>(&self, name: &str, kind: &str) -> Result<Option<T>, FrameError> {
        let parse = |value: &'a RawValue| serde_json::from_str(value.get());
        let parsed = self.get(name).map(parse).transpose();
        parsed.map_err(|_| bad(name, &format!("must be {kind}")))
    }

    pub(super) fn optional_text(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<ByteString>, FrameError> {
        let text: Option<Cow<'a, str>> = self
            .parse::<Name<'a>>(name, "a string")?
            .map(|Name(text)| text);
        match text {
            Some(text) if text.len() > most => {
                Err(bad(name, &format!("has more than {most} bytes")))
            }
            text => Ok(text.map(|text| ByteString::from(text.as_ref()))),
        }
    }

    pub(super) fn text(&self, name: &str, most: usize) -> Result<ByteString, FrameError> {
        required(name, self.optional_text(name, most)?)
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, FrameError> {
        let number: Option<u64> = self.parse(name, "a number that is whole")?;
        match number {
            Some(number) if number > MAX_NUMBER => {
                Err(bad(name, &format!("is more than {MAX_NUMBER}")))
            }
            number => Ok(number),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, FrameError> {
        required(name, self.optional_number(name)?)
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, FrameError> {
        Ok(self.parse(name, "true or false")?.unwrap_or(false))
    }

    pub(super) fn optional_peer(&self, name: &str) -> Result<Option<PeerId>, FrameError> {
        let text = self.optional_text(name, usize::MAX)?;
        let peer = text.map(PeerId::new).transpose();
        peer.map_err(|error| bad_id(name, error))
    }

    pub(super) fn peer(&self, name: &str) -> Result<PeerId, FrameError> {
        required(name, self.optional_peer(name)?)
    }

    pub(super) fn room(&self, name: &str) -> Result<RoomId, FrameError> {
        let text = self.text(name, usize::MAX)?;
        RoomId::new(text).map_err(|error| bad_id(name, error))
    }

    /// A value of any kind, `null` included.
    pub(super) fn json(&self, name: &str) -> Result<Json, FrameError> {
        required(name, self.0.get(name).map(|value| Json::from_raw(value)))
    }

    pub(super) fn optional_json(&self, name: &str) -> Option<Json> {
        self.get(name).map(Json::from_raw)
    }

    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Json>, FrameError> {
        match self.optional_json(name) {
            Some(json) if !json.is_object() => Err(bad(name, "must be an object")),
            json => Ok(json),
        }
    }

    pub(super) fn optional_digest(&self, name: &str) -> Result<Option<Digest>, FrameError> {
        let kind = "sixteen strings of sixteen hexadecimal digits";
        let sums: Option<Vec<ByteString>> = self.parse(name, kind)?;
        let read = |sums: Vec<ByteString>| {
            Digest::read(&sums).ok_or_else(|| bad(name, &format!("must be {kind}")))
        };
        sums.map(read).transpose()
    }

    /// Numbers of parts of a room.
    pub(super) fn optional_parts(&self, name: &str) -> Result<Option<Vec<u8>>, FrameError> {
        let kind = "an array of numbers from 0 to 15";
        let parts: Option<Vec<u8>> = self.parse(name, kind)?;
        match parts {
            Some(parts) if parts.iter().any(|part| usize::from(*part) >= PARTS) => {
                Err(bad(name, &format!("must be {kind}")))
            }
            parts => Ok(parts),
        }
    }

    /// An object with fields of its own.
    pub(super) fn object<T>(
        &self,
        name: &str,
        read: impl Fn(&Self) -> Result<T, FrameError>,
    ) -> Result<T, FrameError> {
        let named: Option<BTreeMap<Name<'a>, &'a RawValue>> = self.parse(name, "an object")?;
        read(&Self::of(required(name, named)?))
    }

    /// An array, each of whose elements has fields of its own.
    pub(super) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Self) -> Result<T, FrameError>,
    ) -> Result<Vec<T>, FrameError> {
        let elements: Option<Vec<BTreeMap<Name<'a>, &'a RawValue>>> =
            self.parse(name, "an array of objects")?;
        let elements = required(name, elements)?.into_iter();
        elements.map(|named| read(&Self::of(named))).collect()
    }
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, FrameError> {
    value.ok_or_else(|| bad(name, "is missing"))
}

pub(super) fn bad(name: &str, what: &str) -> FrameError {
    FrameError::new(ErrorCode::BadField, format!("\"{name}\" {what}"))
}

fn bad_id(name: &str, error: IdError) -> FrameError {
    bad(
        name,
        match error {
            IdError::Empty => "is empty",
            IdError::TooLong => "is too long",
            IdError::Pipe => "has a | in it",
        },
    )
}
