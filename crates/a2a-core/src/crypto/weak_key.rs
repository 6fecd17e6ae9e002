//! Finds RSA moduli that anybody can factor in a moment: with a small prime factor, or of two primes that lie close
//! together (P. de Fermat's method; H. Böck, "Fermat Factorization in the Wild", IACR ePrint 2023/026).
//!
//! Not here: keys that are weak in company, such as those that share a prime with another or stand in a list of leaked
//! ones, and proof that a modulus has two prime factors. A modulus is public, so nothing runs in constant time.

use std::sync::LazyLock;

use crypto_bigint::{BoxedUint, Limb, NonZero, Reciprocal, Word};

/// Why the odd `modulus`, big-endian, is weak (1 ms for 2048 bits, 2 ms for 4096).
pub(super) fn check(modulus: &[u8]) -> Result<(), &'static str> {
    let modulus = BoxedUint::from_be_slice_vartime(modulus);
    if has_small_factor(&modulus) {
        return Err("its modulus has a small prime factor");
    }
    if has_close_factors(&modulus) {
        return Err("the two primes of its modulus are too close together");
    }
    Ok(())
}

fn has_small_factor(modulus: &BoxedUint) -> bool {
    let shares_one = |(product, reciprocal): &(Word, Reciprocal)| {
        greatest_common_divisor(*product, modulus.rem_limb_with_reciprocal(reciprocal).0) != 1
    };
    PRODUCTS.iter().any(shares_one)
}

/// If `modulus = (a + b)(a - b)` with a small b, a is just above its root: tries as many as [`FERMAT_STEPS`].
fn has_close_factors(modulus: &BoxedUint) -> bool {
    let root = modulus.floor_sqrt_vartime();
    let one = BoxedUint::one_with_precision(modulus.bits_precision());
    let mut a = root.wrapping_add(&one);
    let mut is_close = root.wrapping_mul(&root) == *modulus;
    for _ in 0..FERMAT_STEPS {
        let b_squared = a.wrapping_mul(&a).wrapping_sub(modulus);
        is_close |= b_squared.checked_sqrt_vartime().is_some();
        a = a.wrapping_add(&one);
    }
    is_close
}

/// The odd primes below [`SMALL`], multiplied into as few limbs as their order allows, so that one division tests
/// several of them.
static PRODUCTS: LazyLock<Vec<(Word, Reciprocal)>> = LazyLock::new(|| {
    let mut products = vec![1 as Word];
    for prime in odd_primes_below(SMALL) {
        match products.last().and_then(|last| last.checked_mul(prime)) {
            Some(product) => *products.last_mut().expect("there is one from the beginning") = product,
            None => products.push(prime),
        }
    }
    let with_reciprocal = |product: Word| {
        let divisor = NonZero::new(Limb(product)).expect("a product of primes is not zero");
        (product, Reciprocal::new(divisor))
    };
    products.into_iter().map(with_reciprocal).collect()
});

fn odd_primes_below(end: usize) -> impl Iterator<Item = Word> {
    let mut is_composite = vec![false; end];
    for n in (3..end).step_by(2) {
        if !is_composite[n] {
            (n * n..end).step_by(2 * n).for_each(|multiple| is_composite[multiple] = true);
        }
    }
    (3..end).step_by(2).filter(move |n| !is_composite[*n]).map(|n| n as Word)
}

fn greatest_common_divisor(mut a: Word, mut b: Word) -> Word {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Primes from here on count as large.
const SMALL: usize = 1 << 16;
/// With 100, two primes of 1024 bits are found that agree in about their first 507 bits.
const FERMAT_STEPS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prime_is_left_out_and_nothing_else_is_in() {
        assert!(odd_primes_below(54).eq([3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53]));
        assert_eq!(odd_primes_below(53).last(), Some(47));
        assert_eq!(odd_primes_below(SMALL).count(), 6541);
    }
}
