use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};

use super::client_hello::{COOKIE, ClientHello};

/// A cookie is good in the span that it was made in, and in the next.
const SPAN: Duration = Duration::from_secs(30);

/// Cookies that only who receives packets at an address can bring from there, and that nothing is kept for.
#[derive(Debug)]
pub(super) struct Cookies {
    key: hmac::Key,
    start: Instant,
}

impl Cookies {
    pub(super) fn new(key: &[u8; 32], now: Instant) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            start: now,
        }
    }

    /// The one to be brought from `source` with a hello that is this one in everything else.
    pub(super) fn make(
        &self,
        source: SocketAddr,
        hello: &ClientHello<'_>,
        now: Instant,
    ) -> [u8; COOKIE] {
        self.of_span(source, hello, self.span(now))
    }

    /// The hello's, if it is one of ours for `source`.
    pub(super) fn check(
        &self,
        source: SocketAddr,
        hello: &ClientHello<'_>,
        now: Instant,
    ) -> Option<[u8; COOKIE]> {
        if hello.cookie.len() != COOKIE {
            return None;
        }
        let span = self.span(now);
        [Some(span), span.checked_sub(1)]
            .into_iter()
            .flatten()
            .map(|span| self.of_span(source, hello, span))
            .find(|cookie| verify_slices_are_equal(cookie, hello.cookie).is_ok())
    }

    fn span(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / SPAN.as_secs()
    }

    fn of_span(&self, source: SocketAddr, hello: &ClientHello<'_>, span: u64) -> [u8; COOKIE] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&span.to_be_bytes());
        match source.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        context.update(&source.port().to_be_bytes());
        context.update(hello.random);
        let mut cookie = [0; COOKIE];
        cookie.copy_from_slice(context.sign().as_ref());
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::{super::client_hello::of_nobody, *};

    fn with_cookie<'a>(hello: ClientHello<'a>, cookie: &'a [u8]) -> ClientHello<'a> {
        ClientHello { cookie, ..hello }
    }

    #[test]
    fn a_cookie_is_good_for_its_address_its_client_and_its_time_alone() {
        let start = Instant::now();
        let cookies = Cookies::new(&[1; 32], start);
        let source: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let bytes = of_nobody();
        let hello = ClientHello::read(&bytes).unwrap();
        let cookie = cookies.make(source, &hello, start);
        let brought = with_cookie(hello, &cookie);
        assert_eq!(cookies.check(source, &brought, start), Some(cookie));
        let late = start + SPAN + SPAN / 2;
        assert!(cookies.check(source, &brought, late).is_some());
        for (source, hello, at, why) in [
            ("192.0.2.1:4001", brought, start, "port"),
            ("192.0.2.2:4000", brought, start, "address"),
            ("192.0.2.1:4000", brought, start + 2 * SPAN, "time"),
            ("192.0.2.1:4000", hello, start, "none"),
            (
                "192.0.2.1:4000",
                ClientHello {
                    random: &[9; 32],
                    ..brought
                },
                start,
                "client",
            ),
            (
                "192.0.2.1:4000",
                with_cookie(hello, &cookie[..31]),
                start,
                "short",
            ),
        ] {
            let source = source.parse().unwrap();
            assert_eq!(cookies.check(source, &hello, at), None, "{why}");
        }
        let of_another = Cookies::new(&[2; 32], start);
        assert_eq!(of_another.check(source, &brought, start), None);
    }
}
