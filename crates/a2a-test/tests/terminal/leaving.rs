//! Ways to leave, and what they leave behind: a clean exit code, the terminal as it was, the port free.

use std::net::TcpListener;

use rustix::process::Signal;

use crate::place::Place;
use crate::terminal::Terminal;

#[test]
fn ctrl_d_leaves_and_restores_the_terminal() {
    leaves_cleanly(|terminal| terminal.keys("\x04"));
}

#[test]
fn exit_leaves_and_restores_the_terminal() {
    leaves_cleanly(|terminal| terminal.keys("exit\r"));
}

#[test]
fn a_signal_leaves_and_restores_the_terminal_in_the_middle_of_a_line() {
    for signal in [Signal::TERM, Signal::HUP] {
        leaves_cleanly(|terminal| {
            terminal.types_after("traveller_1> ", "half a li");
            terminal.signal(signal);
        });
    }
}

fn leaves_cleanly(leave: impl Fn(&mut Terminal)) {
    let mut place = Place::new();
    let (mut traveller, address) = place.agent("traveller");
    traveller.at_prompt();
    assert!(!traveller.is_restored(), "the prompt edits lines itself");
    leave(&mut traveller);
    assert_eq!(traveller.ends(), Some(0), "{}", traveller.picture());
    assert!(traveller.is_restored());
    let port = address.rsplit(':').next().unwrap();
    TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();

    place.controller.at_prompt();
    place.controller.keys("\x04");
    assert_eq!(place.controller.ends(), Some(0), "{}", place.controller.picture());
    assert!(place.controller.is_restored());
}
