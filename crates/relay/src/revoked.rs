//! Secrets that are taken away, and what was made with them.

use crate::{AllocationId, CloseReason, Relay};

impl Relay {
    /// Ends the allocations whose secret is none of the configuration's, if the configuration says so: that with which
    /// the client proved itself when it asked for the allocation, or refreshed it last. Those of static users have none.
    pub(crate) fn end_revoked(&mut self) {
        if !self.config.end_revoked {
            return;
        }
        let credentials = &self.config.credentials;
        let is_revoked = |secret: &str| !credentials.has_secret(secret);
        let revoked: Vec<AllocationId> = self
            .allocations
            .open_from(0)
            .filter(|(_, allocation)| allocation.secret.as_deref().is_some_and(is_revoked))
            .map(|(id, _)| id)
            .collect();
        for id in revoked {
            self.end_all(id, CloseReason::Revoked);
        }
    }
}
