//! Against servers that the tests start: `redis-server` and `redis-cli` must be installed.

mod beats;
mod client;
mod dead_links;
mod deaf;
mod lanes;
mod link;
mod model;
mod outages;
mod owners;
mod places;
mod rules;
mod servers;

use super::{Options, Redis};
use servers::{CLUSTER, GUARDED, ONE, TWO_MORE, own_prefix};

/// A cluster of nodes apart from those of other tests.
fn apart(urls: &str) -> Redis {
    let options = Options {
        prefix: own_prefix(),
        ..Options::default()
    };
    Redis::new(urls, options).unwrap()
}

pub(crate) fn one() -> Redis {
    apart(&ONE.url())
}

pub(crate) fn three() -> Redis {
    let [second, third] = &*TWO_MORE;
    apart(&[ONE.url(), second.url(), third.url()].join(","))
}

pub(crate) fn cluster() -> Redis {
    apart(&CLUSTER[0].url().replace("redis://", "redis-cluster://"))
}

pub(crate) fn sentinel() -> Redis {
    apart(&GUARDED.url())
}
