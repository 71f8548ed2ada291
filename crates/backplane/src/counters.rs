/// What has happened so far, to be shown as metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages to other nodes that were refused since too much was unacknowledged.
    pub refused: u64,
    /// Messages of other nodes that came again.
    pub duplicates: u64,
    /// Requests to send again what was missing.
    pub repeats_wanted: u64,
    /// Messages sent again.
    pub repeated: u64,
    /// Messages that can never arrive, or whose receiver is gone.
    pub lost: u64,
    /// Rooms handed out for comparison.
    pub gaps: u64,
    /// Frames that this version cannot read.
    pub unreadable: u64,
    /// Rooms of dead nodes that this node has asked the store to sweep, in calls.
    pub sweeps: u64,
    /// Beats sent and heard again.
    pub beats: u64,
    /// Times that the lease had lapsed, starts of the node not counted.
    pub lapses: u64,
    /// Messages that came before one that was missing, and found no place to wait in; they are asked for again.
    pub early_dropped: u64,
    /// Rooms left that could not be remembered, in case that the store is another one soon.
    pub unremembered: u64,
    /// Links made to a partition's server.
    pub links: u64,
    /// Links given up because more waited on them, in either direction, than may.
    pub links_overrun: u64,
}

impl Counters {
    /// The sum of both, field by field.
    pub(crate) fn plus(self, other: &Self) -> Self {
        Self {
            refused: self.refused + other.refused,
            duplicates: self.duplicates + other.duplicates,
            repeats_wanted: self.repeats_wanted + other.repeats_wanted,
            repeated: self.repeated + other.repeated,
            lost: self.lost + other.lost,
            gaps: self.gaps + other.gaps,
            unreadable: self.unreadable + other.unreadable,
            sweeps: self.sweeps + other.sweeps,
            beats: self.beats + other.beats,
            lapses: self.lapses + other.lapses,
            early_dropped: self.early_dropped + other.early_dropped,
            unremembered: self.unremembered + other.unremembered,
            links: self.links + other.links,
            links_overrun: self.links_overrun + other.links_overrun,
        }
    }
}
