//! Which session somebody means: by its place in the list, its id, or the peer.

use crate::agent::report::{SessionReport, SessionStage};
use crate::console::Console;
use crate::error::NodeError;
use crate::repl::CommandError;

use super::screens;

/// The session that was `given`, or one chosen from the list. `stage` says which of several with one peer is
/// meant.
pub(super) async fn given_or_chosen<'a>(
    sessions: &'a [SessionReport],
    given: Option<&str>,
    stage: SessionStage,
    console: &Console,
) -> Result<&'a SessionReport, CommandError> {
    if let Some(selector) = given {
        return find(sessions, selector, stage);
    }
    if sessions.is_empty() {
        return Err(no_session());
    }
    console.print(&screens::session_choice(sessions));
    let index = console.choose("session", sessions.len()).await?;
    Ok(&sessions[index])
}

/// The session that `selector` means: a number from 1, a whole id, at least four characters of its beginning,
/// or the peer's agent id. Of several with the same peer, the newest that is at `stage`, else the newest.
pub(super) fn find<'a>(
    sessions: &'a [SessionReport],
    selector: &str,
    stage: SessionStage,
) -> Result<&'a SessionReport, CommandError> {
    let number = selector.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    if let Some(session) = number.and_then(|index| sessions.get(index)) {
        return Ok(session);
    }
    let with_peer = || sessions.iter().rev().filter(|session| session.peer_agent_id.as_str() == selector);
    if let Some(session) = with_peer().find(|session| session.stage == stage).or_else(|| with_peer().next()) {
        return Ok(session);
    }
    let beginning = selector.to_lowercase();
    let mut fitting =
        sessions.iter().filter(|session| session.session_id.to_string().starts_with(&beginning));
    match (fitting.next(), fitting.next()) {
        (Some(session), None) if beginning.len() >= MIN_BEGINNING => Ok(session),
        (Some(_), Some(_)) if beginning.len() >= MIN_BEGINNING => {
            Err(CommandError::usage(format!("`{selector}` fits more than one session"))
                .with_next("type more of its id; `sessions` shows it"))
        }
        _ => Err(NodeError::UnknownSession(selector.to_owned()).into()),
    }
}

/// Splits `line` into the session it begins with and the text after it. Without such a beginning all of it is
/// text for the only session; but a first word that looks like an agent's or a session's id is never sent to
/// somebody else.
pub(super) fn addressed<'a, 't>(
    sessions: &'a [SessionReport],
    line: &'t str,
    stage: SessionStage,
) -> Result<(&'a SessionReport, &'t str), CommandError> {
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let (session, text) = match find(sessions, first, stage) {
        Ok(session) => (session, rest.trim_start()),
        Err(error) if looks_like_id(first) => return Err(error),
        Err(_) => (only(sessions)?, line),
    };
    if text.is_empty() {
        return Err(
            CommandError::usage("there is no text to send").with_next("type it as `send [PEER] TEXT`")
        );
    }
    Ok((session, unquoted(text)))
}

fn only(sessions: &[SessionReport]) -> Result<&SessionReport, CommandError> {
    match sessions {
        [] => Err(no_session()),
        [session] => Ok(session),
        _ => Err(CommandError::usage("there is more than one session")
            .with_next("name the peer or the session: `send PEER TEXT`")),
    }
}

fn looks_like_id(word: &str) -> bool {
    word.contains('_') || word.parse::<uuid::Uuid>().is_ok()
}

/// The text without the quotes around it, if there are quotes around all of it.
fn unquoted(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

fn no_session() -> CommandError {
    CommandError::new("no_session", "there are no active sessions", "`request` or `communicate` makes one")
}

const MIN_BEGINNING: usize = 4;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::session;
    use super::*;

    const PENDING: SessionStage = SessionStage::Pending;
    const ESTABLISHED: SessionStage = SessionStage::Established;

    fn three() -> Vec<SessionReport> {
        vec![
            session("4e35544a-da2e-49ff-83ca-5077cb8d641c", "helper_agent_001", ESTABLISHED),
            session("4e35ffff-da2e-49ff-83ca-5077cb8d641c", "worker_agent_001", ESTABLISHED),
            session("12345678-da2e-49ff-83ca-5077cb8d641c", "helper_agent_001", PENDING),
        ]
    }

    #[test]
    fn a_session_is_found_by_number_id_beginning_and_peer() {
        let sessions = three();
        let index = |selector, stage| {
            let found = find(&sessions, selector, stage).unwrap().session_id;
            sessions.iter().position(|session| session.session_id == found).unwrap()
        };
        assert_eq!(index("1", PENDING), 0);
        assert_eq!(index("3", PENDING), 2);
        assert_eq!(index("12345678-da2e-49ff-83ca-5077cb8d641c", PENDING), 2);
        assert_eq!(index("4E355", PENDING), 0);
        assert_eq!(index("1234", PENDING), 2);
        assert_eq!(index("helper_agent_001", PENDING), 2);
        assert_eq!(index("helper_agent_001", ESTABLISHED), 0);
        assert_eq!(index("worker_agent_001", PENDING), 1);
    }

    #[test]
    fn what_is_short_ambiguous_or_unknown_is_refused() {
        let sessions = three();
        let code = |selector| find(&sessions, selector, PENDING).unwrap_err().code();
        assert_eq!(code("4e35"), "usage");
        assert_eq!(code("123"), "unknown_session");
        assert_eq!(code("4"), "unknown_session");
        assert_eq!(code("0"), "unknown_session");
        assert_eq!(code("helper_agent"), "unknown_session");
        assert_eq!(code(""), "unknown_session");
    }

    #[test]
    fn a_message_goes_to_whom_it_names_or_to_the_only_one() {
        let sessions = three();
        let (session, text) = addressed(&sessions, "worker_agent_001 it's  me", ESTABLISHED).unwrap();
        assert_eq!((session.peer_agent_id.as_str(), text), ("worker_agent_001", "it's  me"));
        assert_eq!(addressed(&sessions, "hello there", ESTABLISHED).unwrap_err().code(), "usage");
        let (_, text) = addressed(&sessions[..1], "hello there", ESTABLISHED).unwrap();
        assert_eq!(text, "hello there");
        let (_, text) = addressed(&sessions[..1], "helper_agent_001 \"quoted; text\"", ESTABLISHED).unwrap();
        assert_eq!(text, "quoted; text");
        assert_eq!(addressed(&sessions[..1], "helper_agent_001", ESTABLISHED).unwrap_err().code(), "usage");
        assert_eq!(addressed(&[], "hello", ESTABLISHED).unwrap_err().code(), "no_session");
    }

    #[test]
    fn a_mistyped_name_does_not_send_the_message_to_somebody_else() {
        let sessions = three();
        let error = addressed(&sessions[..1], "worker_agent_01 secret", ESTABLISHED).unwrap_err();
        assert_eq!(error.code(), "unknown_session");
    }

    #[tokio::test]
    async fn without_a_word_the_list_is_shown_and_a_number_asked_for() {
        let (console, screen) = Console::for_test(&["2"], false);
        let sessions = three();
        let chosen = given_or_chosen(&sessions, None, PENDING, &console).await.unwrap();
        assert_eq!(chosen.session_id, sessions[1].session_id);
        assert!(screen.text().ends_with("Select session (1-3): 2\n"), "{}", screen.text());
        let error = given_or_chosen(&[], None, PENDING, &console).await.unwrap_err();
        assert_eq!(error.code(), "no_session");
    }
}
