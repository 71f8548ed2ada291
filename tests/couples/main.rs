//! Couples find each other while nodes die.
