//! Requests that are held open until there is news: for a while, so many at a time, and not beyond the end.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

/// See the module.
#[derive(Debug)]
pub(crate) struct Held {
    all: usize,
    places: Semaphore,
    ending: watch::Sender<bool>,
}

impl Held {
    /// Room for so many.
    pub(crate) fn new(places: usize) -> Self {
        let all = places.min(Semaphore::MAX_PERMITS);
        Self { all, places: Semaphore::new(all), ending: watch::Sender::new(false) }
    }

    /// How many are held now.
    pub(crate) fn len(&self) -> usize {
        self.all - self.places.available_permits()
    }

    /// Waits for the news; `None` if it does not come in time, if too many wait already, or at the end.
    pub(crate) async fn until<T>(&self, news: impl Future<Output = T>) -> Option<T> {
        let _place = self.places.try_acquire().ok()?;
        let mut ending = self.ending.subscribe();
        tokio::select! {
            news = news => Some(news),
            // An error means that this is gone.
            _ = ending.wait_for(|ending| *ending) => None,
            () = tokio::time::sleep(HOLD) => None,
        }
    }

    /// Lets everybody go, now and from now on.
    pub(crate) fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// How long a request is held: well below what any client or proxy waits.
const HOLD: Duration = Duration::from_secs(25);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn for_a_while_and_so_many_at_a_time() {
        let held = Held::new(1);
        assert_eq!(held.until(ready(1)).await, Some(1));
        let started = tokio::time::Instant::now();
        let (first, second) = tokio::join!(held.until(pending::<()>()), async {
            let second = held.until(pending::<()>()).await;
            (second, started.elapsed())
        });
        assert_eq!((first, second), (None, (None, Duration::ZERO)), "there is one place");
        assert_eq!(started.elapsed(), HOLD);
        let (first, ()) = tokio::join!(held.until(pending::<()>()), async { held.end() });
        assert_eq!((first, started.elapsed()), (None, HOLD));
        assert_eq!(held.until(pending::<()>()).await, None);
    }
}
