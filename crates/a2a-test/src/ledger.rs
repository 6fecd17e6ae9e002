//! What was said in one direction, what of it was acknowledged, and what was heard: kept as it happens, so that whatever
//! does not fit is found at once.

use std::collections::HashMap;
use std::fmt;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// The book of one direction. Clones are the same book: the one who speaks and the one who hears write into it.
#[derive(Debug, Clone)]
pub struct Ledger {
    name: String,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    said: Vec<Said>,
    by_text: HashMap<String, usize>,
    said_in: HashMap<String, usize>,
    heard_in: HashMap<String, usize>,
    /// Acknowledged and not heard yet.
    owed: usize,
    figures: Figures,
    flaws: Vec<String>,
}

#[derive(Debug)]
struct Said {
    session: String,
    /// Its place among what was said in that session.
    place: usize,
    acknowledged: bool,
    heard: bool,
}

/// How often what has happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Messages that somebody tried to send.
    pub said: usize,
    /// Those of which `send` said that they were delivered.
    pub acknowledged: usize,
    /// Those that came out at the other side.
    pub delivered: usize,
    /// Those that came out though `send` could not say so.
    pub unknowingly: usize,
    /// Acknowledged, and not come out: must be 0.
    pub vanished: usize,
    /// Come out twice: must be 0.
    pub duplicates: usize,
    /// Come out before one that was said earlier in the session, or without it: must be 0.
    pub out_of_order: usize,
    /// Come out, and not said in that session: must be 0.
    pub never_said: usize,
}

impl Ledger {
    /// An empty book. No two in a run may have the same name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), book: Arc::default() }
    }

    /// Something is about to be said in a session: the text, unlike any other.
    pub fn say(&self, session: &str) -> String {
        let mut book = self.lock();
        let text = format!("{} number {}", self.name, book.said.len());
        let said_before = book.said_in.entry(session.to_owned()).or_default();
        let place = *said_before;
        *said_before += 1;
        let index = book.said.len();
        book.by_text.insert(text.clone(), index);
        book.said.push(Said { session: session.to_owned(), place, acknowledged: false, heard: false });
        book.figures.said += 1;
        text
    }

    /// `send` says that it was delivered.
    pub fn acknowledged(&self, text: &str) {
        let mut book = self.lock();
        let index = book.by_text[text];
        book.said[index].acknowledged = true;
        book.figures.acknowledged += 1;
        book.owed += usize::from(!book.said[index].heard);
    }

    /// It has come out: the detail of a `message` notice.
    pub fn heard(&self, detail: &Value) {
        let (session, text) = (detail["session_id"].as_str().unwrap(), detail["text"].as_str().unwrap());
        self.lock().hear(session, text);
    }

    /// How much has been acknowledged and has not come out yet.
    pub fn owed(&self) -> usize {
        self.lock().owed
    }

    /// The one who hears has ended, and all that it has ever printed has been read: what is owed now has vanished.
    pub fn hearer_is_gone(&self) {
        let mut book = self.lock();
        let Book { said, figures, flaws, owed, .. } = &mut *book;
        let lost = said.iter_mut().enumerate().filter(|(_, said)| said.acknowledged && !said.heard);
        for (index, said) in lost {
            // It is counted once.
            said.heard = true;
            figures.vanished += 1;
            flaws.push(format!("{} number {index}: acknowledged and never printed", self.name));
        }
        *owed = 0;
    }

    /// What has been counted.
    pub fn figures(&self) -> Figures {
        let book = self.lock();
        let unknowingly = book.said.iter().filter(|said| said.heard && !said.acknowledged).count();
        Figures { unknowingly, ..book.figures }
    }

    /// What did not fit, since the last time that somebody asked.
    pub fn flaws(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().flaws)
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn hear(&mut self, session: &str, text: &str) {
        let found = self.by_text.get(text).map(|index| &mut self.said[*index]);
        let Some(said) = found.filter(|said| said.session == session) else {
            self.figures.never_said += 1;
            return self.flaws.push(format!("{text:?} was never said in session {session}"));
        };
        if said.heard {
            self.figures.duplicates += 1;
            return self.flaws.push(format!("{text} came twice, in session {session}"));
        }
        said.heard = true;
        self.figures.delivered += 1;
        self.owed -= usize::from(said.acknowledged);
        // What is heard of a session is always its beginning.
        let heard_before = self.heard_in.entry(session.to_owned()).or_default();
        if *heard_before != said.place {
            self.figures.out_of_order += 1;
            let place = said.place;
            self.flaws
                .push(format!("{text} is number {place} of its session, and came after {heard_before}"));
        }
        *heard_before += 1;
    }
}

impl Figures {
    /// Said, and neither acknowledged nor come out.
    pub fn lost(&self) -> usize {
        self.said - self.acknowledged - self.unknowingly
    }

    /// Whether something was said, and nothing has happened that must not.
    pub fn hold(&self) -> bool {
        self.delivered > 0 && self.vanished + self.duplicates + self.out_of_order + self.never_said == 0
    }
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.said += other.said;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.unknowingly += other.unknowingly;
        self.vanished += other.vanished;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.never_said += other.never_said;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  messages sent                   {}", self.said)?;
        writeln!(f, "  acknowledged                    {}", self.acknowledged)?;
        writeln!(f, "  delivered                       {}", self.delivered)?;
        writeln!(f, "  delivered, unacknowledged       {}", self.unknowingly)?;
        writeln!(f, "  lost, unacknowledged            {}", self.lost())?;
        writeln!(f, "  acknowledged, never printed     {}", self.vanished)?;
        writeln!(f, "  duplicates                      {}", self.duplicates)?;
        writeln!(f, "  out of order                    {}", self.out_of_order)?;
        write!(f, "  never sent                      {}", self.never_said)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn heard(ledger: &Ledger, text: &str) {
        ledger.heard(&json!({"session_id": "one", "text": text}));
    }

    #[test]
    fn what_fits_is_counted_and_nothing_is_found() {
        let ledger = Ledger::new("a");
        let texts: Vec<_> = (0..4).map(|_| ledger.say("one")).collect();
        ledger.acknowledged(&texts[0]);
        assert_eq!(ledger.owed(), 1);
        for text in &texts[..3] {
            heard(&ledger, text);
        }
        ledger.acknowledged(&texts[1]);
        ledger.hearer_is_gone();
        let figures = ledger.figures();
        assert_eq!((figures.said, figures.acknowledged, figures.delivered), (4, 2, 3));
        assert_eq!((ledger.owed(), figures.unknowingly, figures.lost()), (0, 1, 1));
        assert!(figures.hold() && ledger.flaws().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_found() {
        let ledger = Ledger::new("a");
        let texts: Vec<_> = (0..4).map(|_| ledger.say("one")).collect();
        ledger.acknowledged(&texts[3]);
        for text in [&texts[0], &texts[0], &texts[2], &texts[1]] {
            heard(&ledger, text);
        }
        heard(&ledger, "something else");
        ledger.heard(&json!({"session_id": "two", "text": texts[3]}));
        ledger.hearer_is_gone();
        let figures = ledger.figures();
        assert_eq!((figures.duplicates, figures.out_of_order), (1, 2));
        assert_eq!((figures.never_said, figures.vanished), (2, 1));
        assert!(!figures.hold());
        assert_eq!(ledger.flaws().len(), 6);
    }
}
