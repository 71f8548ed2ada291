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
    /// Times that the lease had lapsed.
    pub lapses: u64,
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
        }
    }
}
