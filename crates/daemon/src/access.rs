//! Who may use `/admin`: whoever has the token; without one, whoever is on this host, where the admin listener is on
//! loopback alone.
//!
//! A browser on this host is made to ask by any page it shows. So an open `/admin` answers nothing that has an Origin
//! or names another host than this one.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};

use crate::reload::{self, FileError, Watched};

/// Shortest token, in bytes.
const MIN_TOKEN: usize = 16;

/// Who is let in.
#[derive(Clone)]
pub struct Access(Kind);

#[derive(Clone)]
enum Kind {
    /// Whoever is on this host.
    Open,
    /// Whoever has the token.
    Token(Arc<RwLock<String>>),
    /// Nobody.
    Closed,
}

impl Access {
    /// As the listener's addresses and the file with the token say. The file is read again when it has changed. Must
    /// be called in a tokio runtime.
    ///
    /// # Errors
    /// When the file of `--admin-token-file` cannot be used.
    pub fn open(listener: &[SocketAddr], token_file: Option<&Path>) -> Result<Self, FileError> {
        let Some(path) = token_file else {
            let is_local = listener.iter().all(|address| address.ip().is_loopback());
            return Ok(Self(match is_local {
                true => Kind::Open,
                false => Kind::Closed,
            }));
        };
        let (file, token) = Watched::open("admin-token-file", path, read_token)?;
        let token = Arc::new(RwLock::new(token));
        tokio::spawn(follow(file, token.clone()));
        Ok(Self(Kind::Token(token)))
    }

    /// Puts itself before every route.
    pub fn protect(&self, router: Router) -> Router {
        router.route_layer(from_fn_with_state(self.clone(), check))
    }

    /// The answer to who is not let in.
    fn refusal(&self, headers: &HeaderMap) -> Option<Response> {
        match &self.0 {
            Kind::Closed => {
                let message =
                    "the admin listener is not on loopback alone: /admin needs --admin-token-file";
                Some(refuse(StatusCode::FORBIDDEN, "admin-closed", message))
            }
            Kind::Open if headers.contains_key(header::ORIGIN) => {
                let message =
                    "not for web pages; without --admin-token-file, ask without an Origin";
                Some(refuse(StatusCode::FORBIDDEN, "foreign-origin", message))
            }
            Kind::Open if !names_this_host(headers) => {
                let message =
                    "ask for localhost or a loopback address; other names need --admin-token-file";
                Some(refuse(StatusCode::FORBIDDEN, "foreign-host", message))
            }
            Kind::Open => None,
            Kind::Token(token) => {
                let token = token.read().unwrap_or_else(PoisonError::into_inner);
                match bearer(headers) {
                    Some(given) if is_same(given, &token) => None,
                    Some(_) | None => {
                        let message =
                            "send the token of --admin-token-file: Authorization: Bearer TOKEN";
                        let mut refused = refuse(StatusCode::UNAUTHORIZED, "unauthorized", message);
                        let scheme = HeaderValue::from_static("Bearer");
                        refused
                            .headers_mut()
                            .insert(header::WWW_AUTHENTICATE, scheme);
                        Some(refused)
                    }
                }
            }
        }
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Open => "Open",
            Kind::Token(_) => "Token(..)",
            Kind::Closed => "Closed",
        })
    }
}

/// An answer to a request that cannot be honoured: a code for programs, a sentence for people.
pub fn refuse(status: StatusCode, code: &str, message: &str) -> Response {
    let text = |text: &str| {
        let mut quoted = String::from("\"");
        for character in text.chars() {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                character if character.is_control() => quoted.push(' '),
                character => quoted.push(character),
            }
        }
        quoted + "\""
    };
    let body = format!(
        "{{\"code\":{},\"message\":{}}}\n",
        text(code),
        text(message)
    );
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}

async fn check(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refusal(request.headers()) {
        None => next.run(request).await,
        Some(refused) => refused,
    }
}

async fn follow(mut file: Watched<String>, token: Arc<RwLock<String>>) {
    loop {
        let read = file.changed().await;
        *token.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

fn read_token(text: &str) -> Result<String, String> {
    let token = reload::lines(text, 1)?.swap_remove(0);
    match token.len() {
        0..MIN_TOKEN => Err(format!(
            "a token of at least {MIN_TOKEN} characters is needed"
        )),
        _ => Ok(token),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = given.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Takes as long whatever the difference is; the length is no secret.
fn is_same(given: &str, token: &str) -> bool {
    let bytes = given.bytes().zip(token.bytes());
    let difference = bytes.fold(0, |difference, (a, b)| difference | (a ^ b));
    given.len() == token.len() && difference == 0
}

fn names_this_host(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host else { return false };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_loopback = |ip: IpAddr| ip.is_loopback();
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    async fn status(access: &Access, headers: &[(&str, &str)]) -> u16 {
        let router = Router::new().route("/admin/x", get(async || "ok"));
        let mut request = Request::get("/admin/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let answered = access.protect(router).oneshot(request).await.unwrap();
        answered.status().as_u16()
    }

    fn on(addresses: &[&str]) -> Access {
        let addresses: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Access::open(&addresses, None).unwrap()
    }

    #[tokio::test]
    async fn on_loopback_it_is_open_but_not_to_web_pages() {
        let access = on(&["127.0.0.1:8082", "[::1]:8082"]);
        for host in [
            "127.0.0.1:8082",
            "localhost:8082",
            "[::1]:8082",
            "[::1]",
            "LOCALHOST",
        ] {
            assert_eq!(status(&access, &[("host", host)]).await, 200, "{host}");
        }
        for host in [
            "evil.example:8082",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "",
        ] {
            assert_eq!(status(&access, &[("host", host)]).await, 403, "{host}");
        }
        assert_eq!(status(&access, &[]).await, 403);
        let page = [("host", "localhost"), ("origin", "http://localhost:8080")];
        assert_eq!(status(&access, &page).await, 403);
    }

    #[tokio::test]
    async fn elsewhere_it_is_closed_without_a_token() {
        for addresses in [
            &["0.0.0.0:8082"][..],
            &["127.0.0.1:1", "192.0.2.1:1"],
            &["[::]:1"],
        ] {
            assert_eq!(status(&on(addresses), &[("host", "localhost")]).await, 403);
        }
    }

    #[tokio::test]
    async fn with_a_token_it_is_open_to_who_has_it() {
        let name = format!("trunkline-token-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        let listener = ["127.0.0.1:1".parse().unwrap()];
        let access = Access::open(&listener, Some(&path)).unwrap();
        std::fs::write(&path, "short\n").unwrap();
        assert!(Access::open(&listener, Some(&path)).is_err());
        std::fs::remove_file(&path).unwrap();
        for (given, expected) in [
            ("Bearer 0123456789abcdef", 200),
            ("bearer 0123456789abcdef", 200),
            ("Bearer 0123456789abcdeg", 401),
            ("Bearer 0123456789abcdef0", 401),
            ("Bearer 0123456789abcde", 401),
            ("Basic 0123456789abcdef", 401),
            ("0123456789abcdef", 401),
        ] {
            let headers = [("authorization", given)];
            assert_eq!(status(&access, &headers).await, expected, "{given}");
        }
        assert_eq!(status(&access, &[("host", "localhost")]).await, 401);
        assert!(!format!("{access:?}").contains("0123"));
    }

    #[test]
    fn a_refusal_is_json_whatever_it_says() {
        let refused = refuse(StatusCode::BAD_REQUEST, "a", "b \"c\" \\ \n d");
        assert_eq!(refused.status(), 400);
        assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/json");
    }
}
