//! Powers of the generator from a table: 64 multiplications, where any other base takes 256 squarings as well.
//!
//! For each of the exponent's 64 digits of four bits the table has a row of the sixteen powers that the digit may stand
//! for. Which one is taken does not show in what is read or how long it takes: every entry of a row is read for every
//! digit. The table is public and takes 256 KiB; the first use makes it, in about 2 ms.

use std::sync::LazyLock;

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{CtAssign, CtEq, U256, U2048, Word};
use zeroize::Zeroize;

use super::{GROUP_14, Prime};

pub(super) type Residue = ConstMontyForm<Prime, { U2048::LIMBS }>;

/// g^x mod p.
pub(super) fn power_of_generator(exponent: &U256) -> Residue {
    let mut power = Residue::ONE;
    let mut factor = Residue::ONE;
    for (row, digit) in TABLE.iter().zip(digits(exponent)) {
        for (value, entry) in (0..).zip(row) {
            factor.ct_assign(entry, digit.ct_eq(&value));
        }
        power *= &factor;
    }
    factor.zeroize();
    power
}

/// The least significant first.
fn digits(exponent: &U256) -> impl Iterator<Item = Word> {
    let words = exponent.as_words().iter();
    words.flat_map(|word| (0..Word::BITS).step_by(4).map(move |shift| (word >> shift) & 0xf))
}

/// Row i holds g^(16^i * d) for d from 0 to 15.
static TABLE: LazyLock<Vec<[Residue; 16]>> = LazyLock::new(|| {
    let mut base = Residue::new(&U2048::from_u8(GROUP_14.generator));
    let row = |_| {
        let mut row = [Residue::ONE; 16];
        for digit in 1..row.len() {
            row[digit] = row[digit - 1] * base;
        }
        base = row[15] * base;
        row
    };
    (0..U256::BITS / 4).map(row).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_row_for_each_digit() {
        assert_eq!(TABLE.len(), digits(&U256::MAX).count());
    }
}
