//! The loads: every combination of how fast, how, which way, how long and for how many.

use std::fmt;

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) sender: Sender,
    pub(crate) pace: Pace,
    pub(crate) way: Way,
    /// Bytes of data in a datagram.
    pub(crate) size: usize,
    /// Allocations, each with a peer of its own.
    pub(crate) allocations: usize,
}

/// How datagrams follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// One by one, each of the next allocation.
    Smooth,
    /// Sixteen of an allocation at once.
    Bursts,
    /// Sixteen of an allocation as one of UDP_SEGMENT, and received with UDP_GRO.
    Coalesced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// 30 000 datagrams a second.
    Fixed,
    /// As many as the sender can.
    Saturated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToPeers,
    ToClients,
}

impl Sender {
    pub(crate) const ALL: [Self; 3] = [Self::Smooth, Self::Bursts, Self::Coalesced];

    /// Datagrams at once.
    pub(crate) fn burst(self) -> usize {
        match self {
            Self::Smooth => 1,
            Self::Bursts | Self::Coalesced => 16,
        }
    }
}

impl Pace {
    pub(crate) const ALL: [Self; 2] = [Self::Fixed, Self::Saturated];

    /// Datagrams a second, if there is a limit.
    pub(crate) fn rate(self) -> Option<u32> {
        match self {
            Self::Fixed => Some(30_000),
            Self::Saturated => None,
        }
    }
}

impl Cell {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let cells = |sender| {
            Pace::ALL.into_iter().flat_map(move |pace| {
                [Way::ToPeers, Way::ToClients]
                    .into_iter()
                    .flat_map(move |way| {
                        [160, 1000].into_iter().flat_map(move |size| {
                            [1, 20, 200].into_iter().map(move |allocations| Self {
                                sender,
                                pace,
                                way,
                                size,
                                allocations,
                            })
                        })
                    })
            })
        };
        Sender::ALL.into_iter().flat_map(cells)
    }

    pub(crate) fn name(&self) -> String {
        format!(
            "{} {} {} {}B {}",
            self.sender, self.pace, self.way, self.size, self.allocations
        )
    }

    /// Whether its name has all of `words` in it.
    pub(crate) fn is_named(&self, words: &str) -> bool {
        let name = self.name();
        words
            .split_whitespace()
            .all(|word| name.split(' ').any(|part| part == word))
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smooth => "smooth",
            Self::Bursts => "bursts",
            Self::Coalesced => "coalesced",
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fixed => "30k",
            Self::Saturated => "saturated",
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToPeers => "to-peers",
            Self::ToClients => "to-clients",
        })
    }
}
