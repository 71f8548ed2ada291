use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// IANA's IPv4 special-purpose registry, multicast, and what was reserved for good.
const IPV4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),       // this network
    v4([10, 0, 0, 0], 8),      // private
    v4([100, 64, 0, 0], 10),   // shared by carriers
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local, cloud metadata
    v4([172, 16, 0, 0], 12),   // private
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation
    v4([192, 31, 196, 0], 24), // AS112
    v4([192, 52, 193, 0], 24), // AMT
    v4([192, 88, 99, 0], 24),  // 6to4 relays
    v4([192, 168, 0, 0], 16),  // private
    v4([192, 175, 48, 0], 24), // AS112
    v4([198, 18, 0, 0], 15),   // benchmarks
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// All that IANA has opened for global unicast. Outside are unspecified, loopback, every ::/8 embedding,
/// NAT64, discard, segment routing, unique and link local, site-local and multicast.
const IPV6_GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0], 3);

/// IANA's IPv6 special-purpose registry within it.
const IPV6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0], 23),           // protocol assignments, Teredo, ORCHID
    v6([0x2001, 0x0DB8, 0], 32),      // documentation
    v6([0x2002, 0, 0], 16),           // 6to4
    v6([0x2620, 0x004F, 0x8000], 48), // AS112
    v6([0x3FFF, 0, 0], 20),           // documentation
];

/// Whether nobody on the internet is at `ip`, or not only one.
pub(super) fn is_special_purpose(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => IPV4.iter().any(|network| network.contains(&ip)),
        IpAddr::V6(ip) => {
            !IPV6_GLOBAL_UNICAST.contains(&ip) || IPV6.iter().any(|network| network.contains(&ip))
        }
    }
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}
