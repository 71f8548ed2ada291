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
    /// In datagrams that are encrypted.
    Dtls,
}

impl Transport {
    /// Whether messages follow each other without bounds of their own, so that ChannelData must be padded to four
    /// bytes, RFC 8656 §12.5.
    pub fn is_stream(self) -> bool {
        match self {
            Self::Udp | Self::Dtls => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// Whether who sends from an address has shown that answers reach it there, before anything of TURN came.
    pub fn proves_source(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls | Self::Dtls => true,
        }
    }

    /// Whether nobody on the way can read it.
    pub fn is_encrypted(self) -> bool {
        match self {
            Self::Udp | Self::Tcp => false,
            Self::Tls | Self::Dtls => true,
        }
    }

    /// A word for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Dtls => "dtls",
        }
    }
}
