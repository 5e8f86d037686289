//! Weights of few bits without gaps.

use super::Laid;
use crate::elem::Elem;

/// The low `bits` bits of every weight, one after the other, the low bits of a byte first. Rows of
/// halves of bytes begin with a byte.
pub(super) fn lay_out(weight: &[i64], cols: usize, bits: u8) -> Laid {
    let weight = match bits {
        4 => {
            let rows = weight.chunks(cols.max(1));
            rows.flat_map(|row| pack(row, bits)).collect()
        }
        _ => pack(weight, bits),
    };
    Laid {
        weight,
        ty: Elem::U8,
        bias: None,
        tiles: Vec::new(),
        columns: 1,
    }
}

/// Bytes that hold the low `bits` bits of every value. Where a value may cross bytes, a zero byte
/// ends the list, so that the next byte can always be read.
fn pack(values: &[i64], bits: u8) -> Vec<i64> {
    let mut bytes = Vec::with_capacity((values.len() * usize::from(bits)).div_ceil(8));
    let (mut buffer, mut have) = (0u32, 0u8);
    for v in values {
        let low = (*v as u32) & ((1 << bits) - 1);
        buffer |= low << have;
        have += bits;
        while have >= 8 {
            bytes.push(i64::from(buffer & 0xff));
            buffer >>= 8;
            have -= 8;
        }
    }
    if have > 0 {
        bytes.push(i64::from(buffer & 0xff));
    }
    if !8u8.is_multiple_of(bits) {
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_values_read_back() {
        for bits in 1..=16u8 {
            let (lo, hi) = (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1);
            let values: Vec<i64> = (0..40).map(|i| lo + (i * 7919) % (hi - lo + 1)).collect();
            let bytes = pack(&values, bits);
            let end = usize::from(!8u8.is_multiple_of(bits));
            assert_eq!(bytes.len(), (40 * usize::from(bits)).div_ceil(8) + end);
            let bit = |i: usize| (bytes[i / 8] >> (i % 8)) & 1;
            for (k, v) in values.iter().enumerate() {
                let from = k * usize::from(bits);
                let low: i64 = (0..usize::from(bits)).map(|b| bit(from + b) << b).sum();
                let signed = if low > hi { low - (1 << bits) } else { low };
                assert_eq!(signed, *v);
            }
        }
    }
}
