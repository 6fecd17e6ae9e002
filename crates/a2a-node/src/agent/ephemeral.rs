//! Ephemeral keys made in advance, in the time between two set-ups: the one costly part of a set-up that depends on nobody.
//!
//! Keys are made only of the kind that has just been used, so an agent that sets nothing up makes none. Nothing here is
//! needed for a set-up to go on: whoever finds no keys makes them on the spot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::Provider;

use super::pool::CryptoPool;

/// The keys of both roles.
#[derive(Debug)]
pub(crate) struct Ephemeral {
    pub(crate) initiator: Arc<Shelf<InitiatorKeys>>,
    pub(crate) responder: Arc<Shelf<ResponderKeys>>,
}

/// Keys of one role that nobody has used. Whoever takes some has them alone; what is left is zeroised with the shelf.
#[derive(Debug)]
pub(crate) struct Shelf<K> {
    provider: Provider,
    keys: Mutex<HashMap<Suite, Vec<K>>>,
    is_being_filled: AtomicBool,
}

/// What can be made in advance.
pub(crate) trait Keys: Sized + Send + 'static {
    fn generate(suite: Suite, provider: Provider) -> Result<Self, CryptoError>;
}

impl Keys for InitiatorKeys {
    fn generate(suite: Suite, provider: Provider) -> Result<Self, CryptoError> {
        Self::generate(suite, provider)
    }
}

impl Keys for ResponderKeys {
    fn generate(suite: Suite, provider: Provider) -> Result<Self, CryptoError> {
        Self::generate(suite, provider)
    }
}

impl Ephemeral {
    pub(crate) fn new(provider: Provider) -> Self {
        Self { initiator: Arc::new(Shelf::new(provider)), responder: Arc::new(Shelf::new(provider)) }
    }
}

impl<K: Keys> Shelf<K> {
    fn new(provider: Provider) -> Self {
        Self { provider, keys: Mutex::default(), is_being_filled: AtomicBool::new(false) }
    }

    /// Keys of this suite: some that lie ready, or else new ones, which takes its time.
    pub(crate) fn take(&self, suite: Suite) -> Result<K, CryptoError> {
        let ready = self.keys().get_mut(&suite).and_then(Vec::pop);
        ready.map_or_else(|| K::generate(suite, self.provider), Ok)
    }

    /// Fills the shelf with keys of this suite, if it is half empty, for as long as the pool has nothing else to do.
    pub(crate) fn refill(self: &Arc<Self>, suite: Suite, pool: &CryptoPool) {
        if self.ready(suite) > ENOUGH / 2 || self.is_being_filled.swap(true, Ordering::AcqRel) {
            return;
        }
        let (shelf, pool) = (self.clone(), pool.clone());
        tokio::task::spawn_blocking(move || {
            shelf.fill(suite, || pool.is_idle());
            shelf.is_being_filled.store(false, Ordering::Release);
        });
    }

    fn fill(&self, suite: Suite, is_idle: impl Fn() -> bool) {
        while self.ready(suite) < ENOUGH && is_idle() {
            match K::generate(suite, self.provider) {
                Ok(keys) => self.keys().entry(suite).or_default().push(keys),
                Err(error) => return tracing::warn!(%error, "no keys in advance"),
            }
        }
    }

    fn ready(&self, suite: Suite) -> usize {
        self.keys().get(&suite).map_or(0, Vec::len)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<Suite, Vec<K>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys of one suite that lie ready for each role, of at most 4 KiB each.
const ENOUGH: usize = 16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use a2a_core::crypto::provider::available;

    use super::*;

    const SUITE: Suite = Suite::X25519MlKem768;

    fn shelf() -> Arc<Shelf<InitiatorKeys>> {
        Ephemeral::new(available()[0]).initiator
    }

    fn share(keys: InitiatorKeys) -> Vec<u8> {
        keys.into_parts().1.dh_public_key
    }

    #[test]
    fn a_shelf_is_filled_so_far_and_no_further() {
        let shelf = shelf();
        for _ in 0..2 {
            shelf.fill(SUITE, || true);
            assert_eq!((shelf.ready(SUITE), shelf.ready(Suite::Modp2048)), (ENOUGH, 0));
        }
    }

    #[test]
    fn no_keys_are_taken_twice_and_an_empty_shelf_has_some_too() {
        let shelf = shelf();
        shelf.fill(SUITE, || true);
        let taken: HashSet<_> = (0..ENOUGH + 4).map(|_| share(shelf.take(SUITE).unwrap())).collect();
        assert_eq!(taken.len(), ENOUGH + 4);
        assert_eq!(shelf.ready(SUITE), 0);
    }

    #[test]
    fn keys_are_of_the_suite_that_is_asked_for() {
        let shelf = shelf();
        shelf.fill(SUITE, || true);
        for suite in Suite::ALL {
            assert_eq!(shelf.take(suite).unwrap().suite(), suite);
        }
        assert_eq!(shelf.ready(SUITE), ENOUGH - 1, "the others were made on the spot");
    }

    #[tokio::test]
    async fn nothing_is_made_while_the_pool_works() {
        let (shelf, pool) = (shelf(), CryptoPool::new());
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let working = tokio::spawn({
            let pool = pool.clone();
            async move {
                let work = move || {
                    begin.send(()).unwrap();
                    ended.recv().unwrap();
                };
                pool.run(work).await.unwrap();
            }
        });
        begun.await.unwrap();
        shelf.fill(SUITE, || pool.is_idle());
        assert_eq!(shelf.ready(SUITE), 0);
        end.send(()).unwrap();
        working.await.unwrap();
        shelf.fill(SUITE, || pool.is_idle());
        assert_eq!(shelf.ready(SUITE), ENOUGH);
    }
}
