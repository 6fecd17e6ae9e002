//! A program dies in the middle: what the others see, and that everything goes on once it is back.

use rustix::process::Signal;

use crate::place::{Place, agent};
use crate::program::on_port;

#[test]
fn a_helper_that_is_killed_comes_back_with_its_identity_and_without_its_sessions() {
    let place = Place::new();
    let (mut traveller, mut helper, _) = place.with_session();
    traveller.command("keyexchange helper_agent_001");
    traveller.sees("✓ Key exchange successful! Secure channel ready.");
    helper.command("info");
    let key = helper.sees_beginning("Key:           ");
    helper.command("status");
    let port = helper.sees_beginning("Agent:         helper_agent_001 at https://localhost:");

    helper.signal(Signal::KILL);
    assert_eq!(helper.ends(), None);
    traveller.command("send helper_agent_001 are you there?");
    traveller.sees_beginning("✗ helper_agent_001 has not acknowledged the message");

    let (mut helper, _) = agent(on_port(place.command("helper"), &port), "helper");
    helper.command("info");
    assert_eq!(helper.sees_beginning("Key:           "), key, "its identity is on disk");
    helper.command("sessions");
    helper.sees("No active sessions.");

    traveller.command("send helper_agent_001 hello?");
    traveller.sees_beginning("[SESSION] The session with helper_agent_001 is lost");
    traveller.command(&format!("request https://localhost:{port} helper_agent_001"));
    helper.sees("Do you want to accept? (y/n):");
    helper.command("y");
    traveller.sees_beginning("✓ Request accepted. Session created: ");
    traveller.command("keyexchange helper_agent_001");
    traveller.sees("✓ Key exchange successful! Secure channel ready.");
    traveller.command("send helper_agent_001 welcome back");
    helper.sees("[traveller_agent_001] > welcome back");
}
