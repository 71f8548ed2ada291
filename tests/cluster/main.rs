//! Nodes with real sockets: one by itself, and two that share a backplane.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod command_line;
mod config;
mod http;
mod one_node;
mod redis;
mod two_nodes;
