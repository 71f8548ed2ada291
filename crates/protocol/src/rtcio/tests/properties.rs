use super::*;

/// Joins parts as rtc-signal's `prepare` does.
fn prepare(command: &str, sender: &str, arguments: &[Value]) -> String {
    let mut frame = format!("/{command}|{sender}");
    for argument in arguments {
        frame.push('|');
        match argument.as_str() {
            Some(text) => frame.push_str(text),
            None => frame.push_str(&argument.to_string()),
        }
    }
    frame
}

/// Texts in which pipes, quotes, backslashes and brackets are frequent.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::collection::vec(
            prop_oneof![
                Just("|"),
                Just("\""),
                Just("\\"),
                Just("{"),
                Just("}"),
                Just("["),
                Just("]"),
                Just(":"),
                Just(","),
                Just("a"),
                Just("é"),
                Just("\n"),
                Just("\\u007c"),
            ],
            0..12
        )
        .prop_map(|parts| parts.concat()),
        ".{0,12}",
    ]
}

fn json_part() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop_oneof![
        value.clone().prop_map(|value| json!({ "k": value })),
        value.prop_map(|value| json!([value])),
    ]
}

/// What rtc.io's own clients send as arguments: JSON objects and bare texts without pipes.
fn argument() -> impl Strategy<Value = Value> {
    prop_oneof![json_part(), "[a-z0-9 .:-]{0,8}".prop_map(Value::from),]
}

fn frame_text(message: ClientMessage) -> ByteString {
    match message {
        ClientMessage::Send { payload, .. } | ClientMessage::Broadcast { payload, .. } => {
            payload.text().clone()
        }
        ClientMessage::Announce { attributes, .. } => attributes.text().clone(),
        ClientMessage::Leave { .. } | ClientMessage::Request { .. } => ByteString::new(),
    }
}

/// The arguments as an rtc.io client reads them: split at every pipe, then parsed.
fn arguments(frame: &str, skip: usize) -> Vec<Value> {
    let parse = |part: &str| match part.starts_with(['{', '[']) {
        true => serde_json::from_str(part).unwrap_or_else(|_| part.into()),
        false => Value::from(part),
    };
    frame.split('|').skip(skip).map(parse).collect()
}

proptest! {
    #[test]
    fn decoding_never_panics(frame in ".{0,200}") {
        let _ = read(&frame);
    }

    #[test]
    fn decoding_commands_of_hostile_parts_never_panics(
        command in prop_oneof![Just("/to"), Just("/announce"), Just("/leave"), Just("/x"), Just("")],
        parts in proptest::collection::vec(text(), 0..6),
    ) {
        let _ = read(&format!("{command}|{}", parts.join("|")));
    }

    #[test]
    fn clients_read_the_arguments_that_were_sent(
        values in proptest::collection::vec(argument(), 0..5),
        directed in any::<bool>(),
    ) {
        let plain = prepare("hello", "me", &values);
        let frame = if directed { format!("/to|you|{plain}") } else { plain };
        let text = frame_text(read(&frame).unwrap());
        prop_assert_eq!(arguments(&text, if directed { 4 } else { 2 }), values);
    }

    #[test]
    fn a_frame_without_pipes_in_json_is_relayed_byte_for_byte(
        parts in proptest::collection::vec("[^|{\\[]{0,10}", 0..6),
    ) {
        let frame = format!("/hello|me|{}", parts.join("|"));
        prop_assert_eq!(frame_text(read(&frame).unwrap()), frame);
    }

    #[test]
    fn what_is_relayed_decodes_to_itself(parts in proptest::collection::vec(text(), 0..6)) {
        let frame = format!("/hello|me|{}", parts.join("|"));
        let once = read(&frame).unwrap();
        let again = decode(&frame_text(once.clone())).unwrap();
        prop_assert_eq!(again, once);
    }

    #[test]
    fn an_announce_round_trips_whatever_its_attributes_are(
        id in "[^|]{1,24}", room in "[^|]{1,24}", extra in json_part(),
    ) {
        let attributes = json!({ "id": id, "room": room, "extra": extra });
        let (got_room, got_peer, payload) = announce(&format!("/announce|{id}|{attributes}"));
        prop_assert_eq!((got_room, got_peer), (room, id));
        let body: Value = serde_json::from_str(payload.body()).unwrap();
        prop_assert_eq!(body, attributes);
        prop_assert!(!payload.body().contains('|'));
    }
}
