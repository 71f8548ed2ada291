use super::url::Address;

/// Why there is no link. Shows no password: addresses are shown without, and Redis does not repeat any.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("{address}: {error}")]
    Redis { address: String, error: String },
    #[error("{0} answers something that is not understood")]
    Answer(String),
    #[error("{address} is Redis {version}; 7.0 or later is needed")]
    TooOld { address: String, version: String },
    #[error("{0} belongs to a Redis Cluster; name it as redis-cluster://{0}")]
    IsCluster(String),
    #[error("{0} does not belong to a Redis Cluster; name it as redis://{0}")]
    NoCluster(String),
    #[error("{0} is a sentinel; name it as redis-sentinel://{0}/NAME-OF-THE-MASTER")]
    IsSentinel(String),
    #[error("{0} is a replica, which cannot be written to")]
    IsReplica(String),
    #[error("no sentinel knows a master called {master}: {last}")]
    NoMaster { master: String, last: String },
    #[error("no member of the Redis Cluster names its masters: {0}")]
    NoCover(String),
}

impl LinkError {
    pub(crate) fn redis(address: &Address, error: redis::RedisError) -> Self {
        Self::Redis {
            address: address.to_string(),
            error: error.to_string(),
        }
    }
}
