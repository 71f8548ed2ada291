/// RFC 8489 §14.7: "STUN", so that an application's own CRC-32 is not taken for a FINGERPRINT.
const XOR: u32 = 0x5354_554E;

/// CRC-32 of ITU V.42, one entry per byte.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < table.len() {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// The value of FINGERPRINT over the message before it, whose header already counts it.
pub(crate) fn fingerprint(message: &[u8]) -> u32 {
    let crc = message.iter().fold(u32::MAX, |crc, byte| {
        TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8)
    });
    !crc ^ XOR
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fingerprints_are_those_of_the_stun_crate(message: Vec<u8>) {
            prop_assert_eq!(fingerprint(&message), stun::fingerprint::fingerprint_value(&message));
        }
    }
}
