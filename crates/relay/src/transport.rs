/// How clients' packets come to a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// In datagrams.
    #[default]
    Udp,
    /// In a stream.
    Tcp,
    /// In a stream that is encrypted.
    Tls,
}

impl Transport {
    /// Whether messages follow each other without bounds of their own, so that ChannelData must be padded to four
    /// bytes, RFC 8656 §12.5.
    pub fn is_stream(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}
