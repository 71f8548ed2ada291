use std::ops::Sub;

/// Time on a processor, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// Of all processes of a contestant.
    pub(crate) all: u64,
    /// Redis's part of it.
    pub(crate) redis: u64,
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            all: self.all - before.all,
            redis: self.redis - before.redis,
        }
    }
}
