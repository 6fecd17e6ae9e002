//! What has happened and nobody has taken notice of by `wait` yet.

use std::collections::VecDeque;

use crate::agent::report::{ClosedReport, SessionReport};
use crate::event::ReceivedMessage;

/// Events by kind, each in order of arrival.
#[derive(Default)]
pub struct Inbox {
    /// Sessions agreed to.
    pub created: Pile<SessionReport>,
    /// Sessions whose keys the peer has exchanged.
    pub established: Pile<SessionReport>,
    /// Messages.
    pub messages: Pile<ReceivedMessage>,
    /// Sessions that have ended.
    pub closed: Pile<ClosedReport>,
}

/// A bounded queue; the oldest gives way.
pub struct Pile<T>(VecDeque<T>);

impl<T> Default for Pile<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Pile<T> {
    /// Adds `item`.
    pub fn push(&mut self, item: T) {
        if self.0.len() == PILE_LIMIT {
            self.0.pop_front();
        }
        self.0.push_back(item);
    }

    /// Takes the oldest.
    pub fn take(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Takes the oldest that `fits`.
    pub fn take_where(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let place = self.0.iter().position(fits)?;
        self.0.remove(place)
    }

    /// Forgets all that `fits`.
    pub fn remove_where(&mut self, fits: impl Fn(&T) -> bool) {
        self.0.retain(|item| !fits(item));
    }

    /// Whether one `fits`.
    pub fn any(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.0.iter().any(fits)
    }
}

const PILE_LIMIT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way() {
        let mut pile = Pile::default();
        for number in 0..=PILE_LIMIT {
            pile.push(number);
        }
        assert_eq!(pile.take(), Some(1));
        assert_eq!(pile.take_where(|number| *number == 7), Some(7));
        assert!(!pile.any(|number| *number == 7));
        assert_eq!(pile.take(), Some(2));
    }
}
