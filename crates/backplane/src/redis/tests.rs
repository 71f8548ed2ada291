//! Against servers that the tests start: `redis-server` and `redis-cli` must be installed.

mod client;
mod link;
mod model;
mod rules;
mod servers;
