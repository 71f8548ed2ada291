use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::extract::{ConnectInfo, Request};
use daemon::serve::OwnAddress;
use protocol::native::Json;
use serde_json::Value;

use super::{Asked, IceServers, host};

/// A client that is told of ICE servers as long as it is connected.
#[derive(Debug)]
pub(crate) struct Visitor {
    ice: Arc<IceServers>,
    client: IpAddr,
    own: IpAddr,
    host: Option<String>,
}

/// Whoever sends this request; none where it did not come over a socket.
pub(crate) fn visitor(ice: &Arc<IceServers>, request: &Request) -> Option<Visitor> {
    let ConnectInfo(client) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let OwnAddress(own) = request.extensions().get::<OwnAddress>()?;
    Some(Visitor {
        ice: ice.clone(),
        client: client.ip(),
        own: own.ip(),
        host: host(request.headers()).map(Into::into),
    })
}

impl Visitor {
    /// Elements of `iceServers` with credentials of its own, and for how long these are good; none where no credentials can be
    /// made now.
    pub(crate) fn servers(&self) -> Option<(Json, Duration)> {
        let asked = Asked {
            client: self.client,
            own: self.own,
            host: self.host.as_deref(),
            user: None,
            ttl: self.ice.ttl,
        };
        let servers = self.ice.list(asked, getrandom::u64).ok()?;
        let servers = Json::new(&Value::Array(servers).to_string()).ok()?;
        Some((servers, self.ice.ttl))
    }

    /// How long after that it is told of others.
    pub(crate) fn refresh(&self) -> Duration {
        self.ice.ttl / 2
    }
}
