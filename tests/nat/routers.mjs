// What each type of router does with packets, as rules of nftables.
//
// Linux's masquerading keeps a client's port where it can and lets in what answers: a mapping that is independent of
// the endpoint, and filtering by address and port (RFC 4787 §4.1, §5). The other types are made of that.

// What no mapping is for must not reach the router itself: an entry for it in the connection table would take the
// port from the client that is about to send from it, and the mapping would become another.
const DEAF = 'iifname "wan" meta l4proto udp drop';

const BLOCK_UDP = 'iifname "lan" meta l4proto udp drop';

/** The types by name: what they add to masquerading. */
const TYPES = {
  /** What comes to any port of the router's is the host's: one host a LAN. */
  'full-cone': ({ host }) => ({
    translateIn: `iifname "wan" udp dport 1024-65535 dnat to ${host}`,
    letIn: 'iifname "wan" udp dport 1024-65535 accept',
  }),
  'port-restricted': () => ({}),
  /** A new port, by chance, for each address and port that is sent to. */
  symmetric: () => ({ masquerade: 'meta l4proto { tcp, udp } masquerade fully-random' }),
  'udp-blocked': () => ({ refuse: BLOCK_UDP }),
  'tls-only': () => ({ refuse: `${BLOCK_UDP}\n iifname "lan" tcp dport != 443 reject with tcp reset` }),
};

export const TYPE_NAMES = Object.keys(TYPES);

/** The rules of a router of this type in front of `host`, with interfaces `lan` and `wan`. */
export function rulesOf(type, host) {
  if (!(type in TYPES)) throw new Error(`${type} is not one of the types ${TYPE_NAMES.join(', ')}`);
  const { translateIn = '', letIn = '', masquerade = 'masquerade', refuse = '' } = TYPES[type]({ host });
  return `flush ruleset
    table ip nat {
      chain prerouting {
        type nat hook prerouting priority dstnat
        ${translateIn}
      }
      chain postrouting {
        type nat hook postrouting priority srcnat
        oifname "wan" ${masquerade}
      }
    }
    table ip filter {
      chain input {
        type filter hook input priority filter
        ${DEAF}
      }
      chain forward {
        type filter hook forward priority filter
        policy drop
        ${refuse}
        ct state established,related accept
        ${letIn}
        iifname "lan" oifname "wan" accept
      }
    }
  `;
}
