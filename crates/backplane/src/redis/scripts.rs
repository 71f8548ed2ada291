//! The store's rules, as Lua that each link loads before it asks for anything.

/// A script; its rules are those of the [`Request`](crate::partition::Request) of the same name, or of `fleet`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script {
    Beat,
    Join,
    Leave,
    Forget,
    Assert,
    Sweep,
    Versions,
    Leases,
    RelayBeat,
    RelayLeave,
    Relays,
    Kick,
    Kicks,
}

impl Script {
    /// In the order of their digests.
    pub(crate) const ALL: [Self; 13] = [
        Self::Beat,
        Self::Join,
        Self::Leave,
        Self::Forget,
        Self::Assert,
        Self::Sweep,
        Self::Versions,
        Self::Leases,
        Self::RelayBeat,
        Self::RelayLeave,
        Self::Relays,
        Self::Kick,
        Self::Kicks,
    ];

    pub(crate) fn source(self) -> String {
        let body = match self {
            Self::Beat => include_str!("lua/beat.lua"),
            Self::Join => include_str!("lua/join.lua"),
            Self::Leave => include_str!("lua/leave.lua"),
            Self::Forget => include_str!("lua/forget.lua"),
            Self::Assert => include_str!("lua/assert.lua"),
            Self::Sweep => include_str!("lua/sweep.lua"),
            Self::Versions => include_str!("lua/versions.lua"),
            Self::Leases => include_str!("lua/leases.lua"),
            Self::RelayBeat => include_str!("lua/relay_beat.lua"),
            Self::RelayLeave => include_str!("lua/relay_leave.lua"),
            Self::Relays => include_str!("lua/relays.lua"),
            Self::Kick => include_str!("lua/kick.lua"),
            Self::Kicks => include_str!("lua/kicks.lua"),
        };
        format!("{}\n{body}", include_str!("lua/prelude.lua"))
    }
}

/// By what a server that has loaded the scripts knows them.
#[derive(Clone, Debug)]
pub(crate) struct Digests([String; Script::ALL.len()]);

impl Digests {
    pub(crate) fn new(digests: [String; Script::ALL.len()]) -> Self {
        Self(digests)
    }

    pub(crate) fn of(&self, script: Script) -> &str {
        &self.0[script as usize]
    }
}
