//! The relay as a process, with coturn's own client as referee, and without mercy.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod coturn;
mod strangers;
