use std::net::{Ipv4Addr, Ipv6Addr};

/// The IPv4 addresses that some translator or tunnel would take an IPv6 address for.
///
/// ```text
/// ::ffff:a.b.c.d       IPv4-mapped      RFC 4291 §2.5.5.2
/// ::a.b.c.d            IPv4-compatible  RFC 4291 §2.5.5.1
/// ::ffff:0:a.b.c.d     IPv4-translated  RFC 2765 §2.1
/// 64:ff9b::a.b.c.d     NAT64            RFC 6052 §2.1
/// 64:ff9b:1:…          local NAT64      RFC 8215; at /48 around byte 8, or at /96 at the end
/// 2002:AABB:CCDD::     6to4             RFC 3056
/// 2001:0:server:…:client  Teredo        RFC 4380 §4; the client's is inverted
/// …:[02]00:5efe:a.b.c.d   ISATAP        RFC 5214 §6.1
/// ```
pub(super) fn embedded_ipv4(ip: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let octets = ip.octets();
    let at =
        |[a, b, c, d]: [usize; 4]| Some(Ipv4Addr::new(octets[a], octets[b], octets[c], octets[d]));
    let last = [12, 13, 14, 15];
    let found = match ip.segments() {
        // Unspecified and loopback, which are IPv6's own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0xFFFF | 0, _, _] | [0, 0, 0, 0, 0xFFFF, 0, _, _] => [at(last), None],
        [0x64, 0xFF9B, 0, 0, 0, 0, _, _] => [at(last), None],
        [0x64, 0xFF9B, 1, ..] => [at(last), at([6, 7, 9, 10])],
        [0x2002, ..] => [at([2, 3, 4, 5]), None],
        [0x2001, 0, ..] => {
            let client = at(last).map(|client| Ipv4Addr::from_bits(!client.to_bits()));
            [at([4, 5, 6, 7]), client]
        }
        [_, _, _, _, 0 | 0x0200, 0x5EFE, _, _] => [at(last), None],
        _ => [None, None],
    };
    found.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ip: &str, expected: &[&str]) {
        let found: Vec<_> = embedded_ipv4(ip.parse().unwrap())
            .map(|ip| ip.to_string())
            .collect();
        assert_eq!(found, expected, "{ip}");
    }

    #[test]
    fn every_embedding_is_found() {
        check("::ffff:10.1.2.3", &["10.1.2.3"]);
        check("::10.1.2.3", &["10.1.2.3"]);
        check("::ffff:0:10.1.2.3", &["10.1.2.3"]);
        check("64:ff9b::10.1.2.3", &["10.1.2.3"]);
        check("64:ff9b:1:0a01:2:300::", &["0.0.0.0", "10.1.2.3"]);
        check("64:ff9b:1::10.1.2.3", &["10.1.2.3", "0.0.0.0"]);
        check("2002:0a01:0203::1", &["10.1.2.3"]);
        check("2001:0:0a01:203::f5fe:fdfc", &["10.1.2.3", "10.1.2.3"]);
        check("2600::5efe:10.1.2.3", &["10.1.2.3"]);
        check("2600::200:5efe:10.1.2.3", &["10.1.2.3"]);
    }

    #[test]
    fn an_ordinary_address_embeds_nothing() {
        check("2600::1", &[]);
        check("fe80::1", &[]);
        check("::", &[]);
        check("::1", &[]);
    }
}
