use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// What an announcement's JSON object says of its peer. The rest must be sound, and is not kept.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) id: Option<Value>,
    pub(super) room: Option<Value>,
}

/// A name in the object.
enum Name {
    Id,
    Room,
    Other,
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object)
    }
}

struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Attributes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
        let mut attributes = Attributes::default();
        while let Some(name) = map.next_key()? {
            let value = Some(map.next_value()?);
            // Of several, the last counts, as for JavaScript.
            match name {
                Name::Id => attributes.id = value,
                Name::Room => attributes.room = value,
                Name::Other => {}
            }
        }
        Ok(attributes)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "id" => Name::Id,
                    "room" => Name::Room,
                    _ => Name::Other,
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_the_last_counts_and_null_is_not_nothing() {
        let text = r#"{"id":1,"x":{"id":2},"\u0069d":null,"room":"a","room":"b"}"#;
        let attributes: Attributes = serde_json::from_str(text).unwrap();
        assert_eq!(attributes.id, Some(Value::Null));
        assert_eq!(attributes.room, Some("b".into()));
    }

    #[test]
    fn what_is_not_kept_must_be_sound_as_well() {
        for text in [
            "[]",
            "1",
            r#"{"x":1e999}"#,
            r#"{"x":"\ud800"}"#,
            r#"{"x":[1,]}"#,
            r#"{"id":"a"} x"#,
        ] {
            assert!(serde_json::from_str::<Attributes>(text).is_err(), "{text}");
        }
    }
}
