//! When something is wrong, the screen says what happened and what to do next.

use crate::place::Place;

#[test]
fn a_rejected_request_is_told_to_both() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    let (mut helper, address) = place.enrolled("helper");
    traveller.command(&format!("request {address} helper_agent_001"));
    helper.sees("Do you want to accept? (y/n):");
    helper.command("n");
    helper.sees("✓ Request rejected.");
    traveller.sees("✗ helper_agent_001 rejected the request");
    traveller.sees("  → ask the person on the other side before you try again");
    for agent in [&mut traveller, &mut helper] {
        agent.command("sessions");
        agent.sees("No active sessions.");
    }
}

#[test]
fn whoever_answers_neither_yes_nor_no_is_told_how_to_answer() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    let (mut helper, address) = place.enrolled("helper");
    helper.command("maybe");
    helper.sees("✗ there is no command `maybe`");
    helper.sees("  → type `help` for all commands");
    traveller.command(&format!("request {address} helper_agent_001"));
    helper.sees("Do you want to accept? (y/n):");
    helper.command("maybe");
    helper.sees("✗ there is no command `maybe`");
    helper.sees_beginning("  → answer y or n to the request on the screen");
    helper.command("y");
    helper.sees_beginning("✓ Request accepted. Session created: ");
}

#[test]
fn what_is_wrong_is_named_with_what_to_do_next() {
    let place = Place::new();
    let (mut traveller, own) = place.agent("traveller");
    let told = |terminal: &mut crate::terminal::Terminal, line: &str, what: &str, next: &str| {
        terminal.command(line);
        terminal.sees_beginning(&format!("✗ {what}"));
        terminal.sees_beginning(&format!("  → {next}"));
    };
    told(&mut traveller, "seetup", "there is no command `seetup`", "did you mean `setup`?");
    told(&mut traveller, "sned", "there is no command `sned`", "did you mean `send`?");
    told(&mut traveller, "info", "this agent has no certificate yet", "run `setup`");
    told(&mut traveller, "keyexchange", "there are no active sessions", "`request`");
    traveller.command("setup");
    traveller.sees("✓ Certificate stored");
    told(
        &mut traveller,
        "request https://localhost:1 helper_agent_001",
        "no answer from https://localhost:1",
        "check the address and that the agent runs there",
    );
    told(
        &mut traveller,
        &format!("request {own} traveller_agent_001"),
        "that is this agent itself",
        "name another",
    );
    told(&mut traveller, "request http://localhost:1 x", "`http://localhost:1`", "type `help`");

    let (_helper, address) = place.agent("helper");
    told(
        &mut traveller,
        &format!("request {address} helper_agent_001"),
        &format!("the agent at {address} has no certificate yet"),
        "run `setup` on that agent",
    );
    let (mut worker, address) = place.agent("worker");
    worker.sees("✓ Certificate stored");
    told(
        &mut traveller,
        &format!("request {address} somebody_else"),
        &format!("the agent at {address} is worker_agent_001, not somebody_else"),
        "check the address and the id",
    );
    told(
        &mut traveller,
        "communicate nobody",
        "the controller knows no agent `nobody`",
        "`agents` lists them",
    );
}

#[test]
fn a_controller_that_is_down_is_named() {
    let mut place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    place.controller.command("exit");
    assert_eq!(place.controller.ends(), Some(0));
    traveller.command("setup");
    traveller.sees_beginning("✗ no answer from the controller at https://localhost:");
    traveller.sees_beginning("  → start the controller");
}
