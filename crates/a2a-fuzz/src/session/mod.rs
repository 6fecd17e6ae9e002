//! Two parties in a session, on a network that reorders, loses, repeats, edits and sends back, and that sees either of
//! them restart: each message arrives once, in order, as it was said; what is acknowledged has arrived; whatever is not
//! as it was sealed changes nothing.
//!
//! `way` is what must be true of one direction, kept beside the real thing; `story` is who does what.

mod story;
mod way;

use crate::choices::Choices;
use crate::toy;
use story::Story;

/// Plays a story, and then lets the network be good: whoever still has the session hears all of it.
pub(crate) fn play(bytes: &[u8]) {
    toy::begin();
    let mut choices = Choices::new(bytes);
    let mut story = Story::begin();
    for _ in 0..MAX_STEPS {
        let Some(choice) = choices.next() else { break };
        story.go_on(choice, &mut choices);
    }
    story.end_well();
}

/// So that no story takes long.
const MAX_STEPS: usize = 400;
