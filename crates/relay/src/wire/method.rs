/// What a STUN message is about, RFC 8489 §18.2, RFC 8656 §17 and RFC 6062 §6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Where do I come from?
    Binding,
    /// Get a relayed transport address.
    Allocate,
    /// Keep it, or give it back.
    Refresh,
    /// Data for a peer.
    Send,
    /// Data from a peer.
    Data,
    /// Let peers in.
    CreatePermission,
    /// Number a peer.
    ChannelBind,
    /// Open a TCP connection to a peer.
    Connect,
    /// Take a TCP connection over.
    ConnectionBind,
    /// A peer has opened a TCP connection.
    ConnectionAttempt,
}

impl Method {
    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Allocate => "allocate",
            Self::Refresh => "refresh",
            Self::Send => "send",
            Self::Data => "data",
            Self::CreatePermission => "create-permission",
            Self::ChannelBind => "channel-bind",
            Self::Connect => "connect",
            Self::ConnectionBind => "connection-bind",
            Self::ConnectionAttempt => "connection-attempt",
        }
    }

    /// The twelve bits of the method.
    fn number(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
            Self::Connect => 0x00A,
            Self::ConnectionBind => 0x00B,
            Self::ConnectionAttempt => 0x00C,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0x001 => Self::Binding,
            0x003 => Self::Allocate,
            0x004 => Self::Refresh,
            0x006 => Self::Send,
            0x007 => Self::Data,
            0x008 => Self::CreatePermission,
            0x009 => Self::ChannelBind,
            0x00A => Self::Connect,
            0x00B => Self::ConnectionBind,
            0x00C => Self::ConnectionAttempt,
            _ => return None,
        })
    }
}

/// What a message is to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// Writes a message type: the class's two bits stand between the method's, RFC 8489 figure 3.
pub(crate) fn encode_type(method: Method, class: Class) -> u16 {
    let class = match class {
        Class::Request => 0x000,
        Class::Indication => 0x010,
        Class::Success => 0x100,
        Class::Error => 0x110,
    };
    let method = method.number();
    // No method of ours has more than four bits, which lie below the class's.
    method | class
}

/// The type of a Data indication.
pub(crate) fn encode_data_indication_type() -> u16 {
    encode_type(Method::Data, Class::Indication)
}

/// Reads a message type, if its method is one of ours.
pub(crate) fn decode_type(value: u16) -> Option<(Method, Class)> {
    let class = match (value & 0x100, value & 0x010) {
        (0, 0) => Class::Request,
        (0, _) => Class::Indication,
        (_, 0) => Class::Success,
        (_, _) => Class::Error,
    };
    let number = (value & 0x000F) | ((value & 0x00E0) >> 1) | ((value & 0x3E00) >> 2);
    Some((Method::from_number(number)?, class))
}

#[cfg(test)]
mod tests {
    use stun::message::{CLASS_ERROR_RESPONSE, METHOD_CHANNEL_BIND, MessageType};

    use super::*;

    #[test]
    fn every_type_reads_as_it_is_written() {
        for value in 0..0x4000 {
            if let Some((method, class)) = decode_type(value) {
                assert_eq!(encode_type(method, class), value);
            }
        }
        let known = (0..0x4000).filter(|value| decode_type(*value).is_some());
        assert_eq!(known.count(), 10 * 4);
    }

    #[test]
    fn types_are_those_of_the_stun_crate() {
        let expected = MessageType::new(METHOD_CHANNEL_BIND, CLASS_ERROR_RESPONSE).value();
        assert_eq!(encode_type(Method::ChannelBind, Class::Error), expected);
    }
}
