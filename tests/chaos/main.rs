//! Whole clusters under load while they are hurt, judged by what their clients saw.
//!
//! `CHAOS_SEED=n` repeats a run's choices; `CHAOS_LONG=1` makes the runs long.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod faults;
mod field;
mod fleet;
mod frames;
mod history;
mod member;
mod one_backplane;
mod one_node;
mod oracle;
mod redis;
