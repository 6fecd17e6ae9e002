//! What a program reads back from its disk: damaged, cut, or somebody else's.

use std::sync::LazyLock;

use a2a_core::certificate::RevocationList;
use a2a_core::wire::canonical_json;
use a2a_node::passphrase::Passphrase;
use a2a_node::seal::{self, SealError};
use zeroize::Zeroizing;

/// A file is read or refused; what is read is written and read again as the same.
pub(crate) fn any(bytes: &[u8]) {
    let readers: [Reader; 5] = [
        a2a_node::fuzzing::trust,
        a2a_node::fuzzing::certificate,
        controller::fuzzing::audit_head,
        controller::fuzzing::backup,
        revocations,
    ];
    for reader in readers {
        if let Some(written) = reader(bytes) {
            assert_eq!(reader(&written).as_ref(), Some(&written));
        }
    }
    let _ = controller::fuzzing::registry(bytes);
    sealed(bytes);
}

/// Reads a file, and writes what it has read.
type Reader = fn(&[u8]) -> Option<Vec<u8>>;

fn revocations(bytes: &[u8]) -> Option<Vec<u8>> {
    canonical_json(&serde_json::from_slice::<RevocationList>(bytes).ok()?).ok()
}

/// What was sealed for one use is opened for that alone, and whole.
fn sealed(bytes: &[u8]) {
    if is_costly(bytes) {
        return;
    }
    let opened = seal::open(&PASSPHRASE, PURPOSE, bytes);
    assert!(opened.is_err() || seal::is_sealed(bytes));
    if let Ok(content) = opened {
        // An honest file says again what it holds, and nothing under another purpose.
        let again = seal::seal(&PASSPHRASE, PURPOSE, &content).expect("what was sealed can be sealed");
        assert_eq!(seal::open(&PASSPHRASE, PURPOSE, &again).as_ref(), Ok(&content));
        assert_eq!(seal::open(&PASSPHRASE, "another", bytes), Err(SealError::Damaged));
        let cut = &bytes[..bytes.len() - 1];
        assert_eq!(seal::open(&PASSPHRASE, PURPOSE, cut), Err(SealError::Damaged));
    }
}

/// A file may ask for up to 1 GiB and some seconds of an honest program: too much for the fuzzer. What asks for more is
/// refused, and that is tried.
fn is_costly(bytes: &[u8]) -> bool {
    let number =
        |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    let (memory, passes, lanes) = (number(9).unwrap_or(0), number(13).unwrap_or(0), number(17).unwrap_or(0));
    let is_refused = memory > 1 << 20 || passes > 16 || lanes > 16;
    !is_refused && (memory > 256 || passes > 2)
}

/// As `a2a_test`'s recorder of seeds seals.
const PURPOSE: &str = "a2a/1 fuzz";
static PASSPHRASE: LazyLock<Passphrase> = LazyLock::new(|| {
    let passphrase = Passphrase::new(Zeroizing::new(b"fuzz".to_vec())).expect("it is not empty");
    passphrase.with_cost(seal::Cost::FOR_TESTS)
});
