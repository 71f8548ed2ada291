//! What is given as `--redis`.

use std::{fmt, sync::Arc};

/// Where a Redis listens, and how to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) credentials: Credentials,
    pub(crate) database: i64,
}

/// A name and a password; shown to nobody.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Credentials {
    pub(crate) user: Option<Arc<str>>,
    pub(crate) password: Option<Arc<str>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// One server, one partition.
    Server(Address),
    /// One partition, on the master that the sentinels name.
    Sentinel {
        sentinels: Vec<Address>,
        master: String,
    },
    /// Many partitions, on the masters that the cluster names.
    Cluster(Vec<Address>),
}

impl Source {
    /// What is named in the URL.
    pub(crate) fn addresses(&self) -> &[Address] {
        match self {
            Self::Server(address) => std::slice::from_ref(address),
            Self::Sentinel { sentinels, .. } => sentinels,
            Self::Cluster(addresses) => addresses,
        }
    }
}

/// A URL is not one of a Redis. Never shows what may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The list holds nothing.
    #[error("no Redis URL is given")]
    Empty,
    /// The URL begins with something else.
    #[error(
        "a Redis URL begins with redis://, redis-sentinel:// or redis-cluster://; number {0} does not"
    )]
    Scheme(usize),
    /// TLS is not there yet.
    #[error("Redis URL number {0}: rediss:// is not supported")]
    Tls(usize),
    /// A host or port is not one.
    #[error("Redis URL number {0}: no host and port can be read from it")]
    Host(usize),
    /// `%` is not followed by two digits.
    #[error("Redis URL number {0}: user and password must be percent-encoded")]
    Encoding(usize),
    /// What comes after the servers is not understood.
    #[error(
        "Redis URL number {0}: after the server may come /NUMBER, a database, and nothing else"
    )]
    Database(usize),
    /// The master has no name.
    #[error("Redis URL number {0}: redis-sentinel://HOST:PORT,HOST:PORT/NAME must name its master")]
    Master(usize),
    /// Several servers of a scheme that takes one.
    #[error("Redis URL number {0}: each server of its own needs redis:// before it")]
    Several(usize),
    /// A cluster has no databases.
    #[error("Redis URL number {0}: a Redis Cluster has no databases to choose from")]
    ClusterDatabase(usize),
    /// Braces would decide where a Cluster puts the keys.
    #[error("the prefix of the keys in Redis must have no braces")]
    Prefix,
}

/// Reads a list of URLs, separated by commas. What has no scheme continues the URL before it.
pub(crate) fn read(list: &str) -> Result<Vec<Source>, UrlError> {
    let mut urls: Vec<String> = Vec::new();
    for piece in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        match urls.last_mut() {
            Some(last) if !piece.contains("://") => {
                last.push(',');
                last.push_str(piece);
            }
            _ => urls.push(piece.to_owned()),
        }
    }
    if urls.is_empty() {
        return Err(UrlError::Empty);
    }
    let sources = urls.iter().enumerate();
    sources.map(|(index, url)| source(index + 1, url)).collect()
}

fn source(number: usize, url: &str) -> Result<Source, UrlError> {
    let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme(number))?;
    let (authority, path) = match rest.rsplit_once('/') {
        Some((authority, path)) if !path.contains('@') => (authority, path),
        _ => (rest, ""),
    };
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (read_credentials(number, credentials)?, hosts),
        None => (Credentials::default(), authority),
    };
    let default_port = if scheme == "redis-sentinel" {
        26379
    } else {
        6379
    };
    let hosts = hosts.split(',').map(|host| {
        let (host, port) = host_and_port(host, default_port).ok_or(UrlError::Host(number))?;
        Ok(Address {
            host,
            port,
            credentials: credentials.clone(),
            database: 0,
        })
    });
    let mut hosts: Vec<Address> = hosts.collect::<Result<_, _>>()?;
    match scheme {
        "redis" => match hosts.as_mut_slice() {
            [address] => {
                if !path.is_empty() {
                    let database = path
                        .parse::<u16>()
                        .map_err(|_| UrlError::Database(number))?;
                    address.database = database.into();
                }
                Ok(Source::Server(address.clone()))
            }
            _ => Err(UrlError::Several(number)),
        },
        "redis-sentinel" if path.is_empty() => Err(UrlError::Master(number)),
        "redis-sentinel" => Ok(Source::Sentinel {
            sentinels: hosts,
            master: path.to_owned(),
        }),
        "redis-cluster" if !path.is_empty() => Err(UrlError::ClusterDatabase(number)),
        "redis-cluster" => Ok(Source::Cluster(hosts)),
        "rediss" | "rediss-sentinel" | "rediss-cluster" => Err(UrlError::Tls(number)),
        _ => Err(UrlError::Scheme(number)),
    }
}

fn read_credentials(number: usize, text: &str) -> Result<Credentials, UrlError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, password),
        None => ("", text),
    };
    let read = |text: &str| {
        if text.is_empty() {
            return Ok(None);
        }
        let text = percent_decoded(text).ok_or(UrlError::Encoding(number))?;
        Ok(Some(Arc::from(text)))
    };
    Ok(Credentials {
        user: read(user)?,
        password: read(password)?,
    })
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, others) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = others;
    }
    String::from_utf8(bytes).ok()
}

fn host_and_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        (
            host,
            port.strip_prefix(':')
                .or_else(|| port.is_empty().then_some(""))?,
        )
    } else {
        text.split_once(':').unwrap_or((text, ""))
    };
    let port = if port.is_empty() {
        default_port
    } else {
        port.parse().ok()?
    };
    let clean = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    (!host.is_empty() && host.bytes().all(clean)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_named_is_told_with_its_port() {
        let urls = "redis://u:p@a/3,redis-sentinel://b,[::1]:7/m,redis-cluster://c:9,d";
        let sources = read(urls).unwrap();
        let addresses = sources.iter().flat_map(Source::addresses);
        let shown: Vec<_> = addresses.map(Address::to_string).collect();
        assert_eq!(shown, ["a:6379", "b:26379", "[::1]:7", "c:9", "d:6379"]);
    }

    fn servers(list: &str) -> Vec<String> {
        let shown = |source| match source {
            Source::Server(address) => format!("{address}/{}", address.database),
            Source::Sentinel { sentinels, master } => {
                let hosts: Vec<_> = sentinels.iter().map(Address::to_string).collect();
                format!("{} of {}", master, hosts.join(" "))
            }
            Source::Cluster(hosts) => {
                let hosts: Vec<_> = hosts.iter().map(Address::to_string).collect();
                hosts.join(" ")
            }
        };
        read(list).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn a_list_may_mix_servers_sentinels_and_clusters() {
        assert_eq!(
            servers("redis://a, redis://u:p@b:1/2,redis://[::1]:7/"),
            ["a:6379/0", "b:1/2", "[::1]:7/0"]
        );
        assert_eq!(
            servers(
                "redis-sentinel://u:p@h1:1,h2,h3:3/mymaster,redis-cluster://c1,c2:4/,redis://a"
            ),
            ["mymaster of h1:1 h2:26379 h3:3", "c1:6379 c2:4", "a:6379/0"]
        );
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let sources = read("redis://user:p%40ss%2Fw%C3%B6rd@h").unwrap();
        let [Source::Server(address)] = sources.as_slice() else {
            panic!()
        };
        assert_eq!(address.credentials.user.as_deref(), Some("user"));
        assert_eq!(address.credentials.password.as_deref(), Some("p@ss/wörd"));
        let shown = format!("{sources:?} {address}");
        assert!(!shown.contains("user") && !shown.contains("w\u{f6}rd"));
        let only = read("redis://secret@h").unwrap();
        let [Source::Server(address)] = only.as_slice() else {
            panic!()
        };
        assert_eq!(address.credentials.user, None);
        assert_eq!(address.credentials.password.as_deref(), Some("secret"));
    }

    #[test]
    fn what_is_no_url_is_refused_without_showing_it() {
        for (list, error) in [
            ("", UrlError::Empty),
            (" ,", UrlError::Empty),
            ("secret", UrlError::Scheme(1)),
            ("http://secret", UrlError::Scheme(1)),
            ("redis://h,redis://", UrlError::Host(2)),
            ("redis://secret@h:x", UrlError::Host(1)),
            ("redis://secret@h:70000", UrlError::Host(1)),
            ("redis://:secret%@h", UrlError::Encoding(1)),
            ("redis://h/secret", UrlError::Database(1)),
            ("redis://h1,h2", UrlError::Several(1)),
            ("redis-sentinel://h1,h2", UrlError::Master(1)),
            ("redis-cluster://h1,h2/1", UrlError::ClusterDatabase(1)),
            ("rediss://secret@h", UrlError::Tls(1)),
        ] {
            let refused = read(list).unwrap_err();
            assert_eq!(refused, error, "{list}");
            assert!(!refused.to_string().contains("secret"));
        }
    }
}
