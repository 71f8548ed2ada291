use serde_json::Value;

use super::Json;

/// What a request wants of a peer's data.
///
/// A request for `{"name":"Sue"}` is for whoever has announced that name, whatever else.
#[derive(Clone, Debug)]
pub struct Matcher(Option<Value>);

impl Matcher {
    /// All that `wanted` has must be there: of an object each field, and in them the same again; else a value that is equal,
    /// numbers by what they are worth and not by how they are written.
    pub fn new(wanted: &Json) -> Self {
        Self(serde_json::from_str(wanted.as_str()).ok())
    }

    /// Whether it is there in what a peer has announced.
    pub fn finds(&self, data: &Searchable) -> bool {
        match (&self.0, &data.0) {
            (Some(wanted), Some(data)) => has(data, wanted),
            (None, _) | (_, None) => false,
        }
    }
}

/// What a peer has announced, read once for every request.
#[derive(Clone, Debug)]
pub struct Searchable(Option<Box<Value>>);

impl Searchable {
    /// `data` is a JSON object. What is nested deeper than is read, or longer than
    /// [`MAX_DATA_BYTES`](super::MAX_DATA_BYTES), matches nothing.
    pub fn new(data: &str) -> Self {
        let is_short = data.len() <= super::MAX_DATA_BYTES;
        Self(is_short.then(|| serde_json::from_str(data).ok()).flatten())
    }
}

fn has(data: &Value, wanted: &Value) -> bool {
    match (data, wanted) {
        (Value::Object(data), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| data.get(name).is_some_and(|data| has(data, wanted))),
        (data, wanted) => equal(data, wanted),
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().is_some() && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut fields = one.iter();
            one.len() == other.len()
                && fields.all(|(name, one)| other.get(name).is_some_and(|other| equal(one, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_may_be_less_than_what_there_is_and_not_more() {
        for (data, wanted, expected) in [
            (r#"{"name":"Sue","age":7}"#, r#"{"name":"Sue"}"#, true),
            (r#"{"name":"Sue"}"#, r#"{"name":"Sue","age":7}"#, false),
            (r#"{"name":"Sue"}"#, r#"{"name":"sue"}"#, false),
            (r#"{"name":"Sue"}"#, "{}", true),
            ("{}", "{}", true),
            (r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":1}}"#, true),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1,"c":2}}"#, false),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#, true),
            (r#"{"a":[1,2]}"#, r#"{"a":[1]}"#, false),
            // In an array nothing may be left out: what stands at a place is a value.
            (r#"{"a":[{"b":1,"c":2}]}"#, r#"{"a":[{"b":1}]}"#, false),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, true),
            (r#"{"a":10}"#, r#"{"a":1e1}"#, true),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
            (r#"{"a":null}"#, r#"{"a":null}"#, true),
            ("{}", r#"{"a":null}"#, false),
            (r#"{"a":"\u0053ue"}"#, r#"{"a":"Sue"}"#, true),
        ] {
            let json = |text: &str| Json::new(text).unwrap();
            let found = Matcher::new(&json(wanted)).finds(&Searchable::new(data));
            assert_eq!(found, expected, "{data} {wanted}");
        }
    }

    #[test]
    fn whoever_is_nested_too_deep_matches_nothing() {
        let deep = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        let json = Json::new(&deep).unwrap();
        assert!(!Matcher::new(&json).finds(&Searchable::new(&deep)));
    }
}
