//! What makes typing pleasant: completion, hints, history, notices that leave the line alone, colour and none.

use rustix::process::Signal;

use crate::place::{Place, agent};

#[test]
fn a_notice_appears_above_the_line_being_typed() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    let (mut helper, address) = place.enrolled("helper");

    helper.types_after("helper_1> ", "sta");
    traveller.command(&format!("request {address} helper_agent_001"));
    helper.sees("[INCOMING] Communication request from traveller_agent_001");
    helper.sees("Do you want to accept? (y/n):");
    helper.cursor_behind("helper_1> sta");
    helper.keys("tus\r");
    helper.sees_beginning("Requests:      accept ask; 1 waiting");
    helper.command("y");
    helper.sees_beginning("✓ Request accepted. Session created: ");
}

#[test]
fn tab_completes_commands_and_names_and_lists_what_may_follow() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    traveller.types_after("traveller_1> ", "set");
    traveller.keys("\t");
    traveller.cursor_behind("traveller_1> setup");
    traveller.keys("\x15");
    traveller.types_after("traveller_1> ", "s");
    traveller.keys("\t\t");
    traveller.sees("setup     sessions  send      status");
    traveller.keys("\x15");
    traveller.types_after("traveller_1> ", "wait m");
    traveller.keys("\t");
    traveller.cursor_behind("traveller_1> wait message");
}

#[test]
fn a_hint_shows_what_a_command_takes() {
    let place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    traveller.types_after("traveller_1> ", "request");
    traveller.sees_beginning("traveller_1> request [ADDRESS] [AGENT_ID]");
    traveller.cursor_behind("traveller_1> request");
}

#[test]
fn history_outlives_the_program_but_holds_no_messages() {
    let place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    for line in ["status", "send helper_agent_001 a secret"] {
        traveller.command(line);
        traveller.at_prompt();
    }
    traveller.command("exit");
    assert_eq!(traveller.ends(), Some(0), "{}", traveller.picture());
    let (mut traveller, _) = place.agent("traveller");
    traveller.at_prompt();
    traveller.keys("\x1b[A");
    traveller.cursor_behind("traveller_1> exit");
    traveller.keys("\x1b[A");
    traveller.cursor_behind("traveller_1> status");
}

#[test]
fn ctrl_c_at_the_prompt_drops_the_line_and_nothing_else() {
    let place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    traveller.types_after("traveller_1> ", "half a li");
    traveller.keys("\x03");
    traveller.sees("Type `exit` or press Ctrl-D to leave.");
    traveller.command("setup");
    traveller.sees("✓ Certificate stored");
}

#[test]
fn ctrl_c_stops_a_command_that_waits() {
    let place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    traveller.command("wait message --timeout 1h");
    // Only once the line editor has given the terminal back is Ctrl-C a signal.
    traveller.is_taken();
    traveller.keys("\x03");
    traveller.sees("✗ cancelled");
    traveller.at_prompt();
}

#[test]
fn what_is_typed_ahead_is_carried_out_in_turn() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    traveller.command("wait message --timeout 1s");
    traveller.is_taken();
    traveller.keys("sessions\rstatus\r");
    traveller.sees_beginning("✗ ");
    traveller.sees("No active sessions.");
    traveller.sees_beginning("Agent:");
    traveller.at_prompt();
}

#[test]
fn lines_that_come_faster_than_they_are_read_are_all_read() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    traveller.at_prompt();
    traveller.keys("sessions\rwait message --timeout 10ms\rnonsense\rsessions\rhalf");
    traveller.sees("No active sessions.");
    traveller.sees_beginning("✗ ");
    traveller.sees_beginning("✗ there is no command `nonsense`");
    traveller.sees("No active sessions.");
    traveller.cursor_behind("traveller_1> half");
}

#[test]
fn a_paste_is_one_command_a_line_and_messages_in_it_stay_private() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    traveller.at_prompt();
    traveller.keys("\x1b[200~sessions\nsend nobody a secret\nstatus\n\x1b[201~\r");
    traveller.sees("No active sessions.");
    traveller.sees_beginning("✗ ");
    traveller.sees_beginning("Agent:");
    traveller.command("exit");
    assert_eq!(traveller.ends(), Some(0), "{}", traveller.picture());
    let history = std::fs::read_to_string(place.data("traveller").join("history")).unwrap();
    let lines: Vec<_> = history.lines().skip(1).collect();
    assert_eq!(lines, ["setup", "sessions", "status", "exit"]);
}

#[test]
fn ctrl_c_stops_what_was_pasted_behind_the_command_too() {
    let place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    traveller.at_prompt();
    traveller.keys("\x1b[200~wait message --timeout 1h\nnonsense\x1b[201~\r");
    traveller.is_taken();
    traveller.keys("\x03");
    traveller.sees("✗ cancelled");
    traveller.at_prompt();
    assert!(!traveller.picture().contains("no command `nonsense`"), "{}", traveller.picture());
}

#[test]
fn a_question_says_how_to_leave_it() {
    let place = Place::new();
    let (mut traveller, _helper, _) = place.with_session();
    traveller.command("close");
    traveller.cursor_behind("Select session (1-1): ");
    traveller.sees("Select session (1-1): (Ctrl-C cancels)");
    traveller.keys("\x03");
    traveller.sees("✗ cancelled");
    traveller.at_prompt();
}

#[test]
fn no_color_means_none() {
    let place = Place::new();
    let mut screens = [true, false].map(|is_plain| {
        let mut command = place.command("helper");
        if is_plain {
            command.env("NO_COLOR", "1");
        }
        let (mut helper, _) = agent(command, "helper");
        helper.command("setup");
        helper.sees("✓ Certificate stored");
        helper.command("nonsense");
        helper.sees_beginning("✗ there is no command `nonsense`");
        helper.at_prompt();
        helper.signal(Signal::TERM);
        helper.ends();
        // Every colour and every style is "ESC [ numbers m".
        let raw = helper.raw();
        raw.split('\x1b').skip(1).any(|part| {
            part.strip_prefix('[').and_then(|part| {
                part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').chars().next()
            }) == Some('m')
        })
    });
    screens.reverse();
    assert_eq!(screens, [true, false], "coloured by default, plain with NO_COLOR");
}
