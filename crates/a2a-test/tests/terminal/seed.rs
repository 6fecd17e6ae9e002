//! The seed's steps 1 to 6 and its "Road Ahead", typed as there; the screens are compared with the seed's, word for word.
//!
//! Two lines of the seed are not there, because they would not be true: no DH parameters are generated (the group is a
//! standard one, and is named), and no connection is made before a chat that joins a session which is there already.

use crate::place::Place;
use crate::terminal::Terminal;

#[test]
fn the_seeds_steps_bring_the_seeds_screens() {
    let mut place = Place::new();
    let (mut traveller, _) = place.agent("traveller");
    let (mut helper, helper_address) = place.agent("helper");

    step_2_register(&mut traveller);
    step_2_register(&mut helper);
    for agent in ["traveller", "helper"] {
        place
            .controller
            .sees_beginning(&format!("✓ Agent enrolled: {agent}_agent_001 at https://localhost:"));
    }
    step_3_request(&mut traveller, &helper_address);
    let id = step_4_accept(&mut helper);
    traveller.sees(&format!("✓ Request accepted. Session created: {id}"));
    step_5_exchange_keys(&mut traveller, &id);
    let seen_by_traveller = step_6_list(&mut traveller, &id, "helper_agent_001");
    let seen_by_helper = step_6_list(&mut helper, &id, "traveller_agent_001");
    assert_eq!(seen_by_traveller, seen_by_helper, "the safety codes");

    traveller.command("communicate");
    traveller.sees_all(&[
        "🔍 Finding other agents...",
        "Available agents:",
        "  1. helper_agent_001 (Helper Agent)",
    ]);
    traveller.answer("Select agent (1-1): ", "1");
    traveller.sees(&format!("Joining the session that is established: {id}"));
    road_ahead(&mut traveller, &mut helper);
}

#[test]
fn communicate_goes_the_whole_way_by_itself() {
    let place = Place::new();
    let (mut traveller, _) = place.enrolled("traveller");
    let (mut helper, _) = place.enrolled("helper");
    let (mut worker, _) = place.agent("worker");
    worker.sees("✓ Certificate stored");

    traveller.command("communicate");
    traveller.sees_all(&[
        "🔍 Finding other agents...",
        "Available agents:",
        "  1. helper_agent_001 (Helper Agent)",
        "  2. worker_agent_001 (Worker Agent)",
    ]);
    traveller.answer("Select agent (1-2): ", "1");
    helper.sees("[INCOMING] Communication request from traveller_agent_001");
    helper.sees("Do you want to accept? (y/n):");
    helper.command("y");
    traveller.sees_all(&[
        "[1/4] Verifying helper's certificate... ✓",
        "[2/4] Requesting communication... ✓ Accepted",
        "[3/4] Exchanging keys... ✓ Secure channel established",
        "[4/4] Starting secure chat...",
    ]);
    road_ahead(&mut traveller, &mut helper);
}

fn step_2_register(agent: &mut Terminal) {
    agent.command("setup");
    agent.sees_all(&["✓ Trust established", "✓ Registration successful", "✓ Certificate stored"]);
}

fn step_3_request(traveller: &mut Terminal, address: &str) {
    traveller.command("request");
    traveller.answer("Enter peer agent address: ", address);
    traveller.answer("Enter peer agent ID: ", "helper_agent_001");
    traveller.sees_all(&[
        "Sending communication request to helper_agent_001...",
        "✓ Communication request sent. Waiting for response...",
    ]);
}

fn step_4_accept(helper: &mut Terminal) -> String {
    helper.sees_all(&[
        "[INCOMING] Communication request from traveller_agent_001",
        "Do you want to accept? (y/n):",
    ]);
    helper.command("y");
    let id = helper.sees_beginning("✓ Request accepted. Session created: ");
    assert_eq!(id.len(), "4e35544a-da2e-49ff-83ca-5077cb8d641c".len(), "{id}");
    id
}

fn step_5_exchange_keys(traveller: &mut Terminal, id: &str) {
    traveller.command("keyexchange");
    let short = &id[..8];
    traveller.sees_all(&[
        "Active Sessions:",
        &format!("  1. Session ID: {short}... | Peer: helper_agent_001 | AES Key: Pending"),
    ]);
    traveller.answer("Select session (1-1): ", "1");
    traveller.sees_all(&[
        "[KEY EXCHANGE] Starting...",
        "[CRYPTO] Using DH group: RFC 3526 group 14 (2048-bit), with ML-KEM-768",
        "[KEY EXCHANGE] Sending signed DH public key to peer...",
        "[KEY EXCHANGE] ✓ Received peer's signed DH public key",
        "[KEY EXCHANGE] ✓ Signature verified",
        "[KEY EXCHANGE] Computing shared secret...",
        "[KEY EXCHANGE] ✓ AES-256 key established and stored in session",
        "✓ Key exchange successful! Secure channel ready.",
    ]);
}

/// The list on either side; returns the safety code.
fn step_6_list(agent: &mut Terminal, id: &str, peer: &str) -> String {
    agent.command("sessions");
    agent.sees_all(&[&format!("Session: {id}"), &format!("  Peer: {peer}"), "  AES Key: Established ✓"]);
    assert!(agent.sees_beginning("  Created: ").ends_with("UTC"));
    agent.sees_beginning("  Safety code: ")
}

fn road_ahead(traveller: &mut Terminal, helper: &mut Terminal) {
    traveller.sees_all(&[
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "💬 Secure Chat with helper_agent_001",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
        "You can now chat securely. Type 'exit' to close.",
    ]);
    helper.command("communicate traveller_agent_001");
    helper.sees("💬 Secure Chat with traveller_agent_001");

    said(traveller, helper, "traveller_agent_001", "Hello Helper! Can you hear me?");
    said(helper, traveller, "helper_agent_001", "Yes! Message received and decrypted successfully!");
    said(traveller, helper, "traveller_agent_001", "This is amazing!");
    said(helper, traveller, "helper_agent_001", "Indeed! Nobody can read these messages but us!");

    traveller.answer("[YOU] > ", "exit");
    traveller.sees_all(&["[Closing session...]", "✓ Session closed. Keys cleared."]);
    helper.sees("[SESSION] traveller_agent_001 closed the session. Keys cleared.");
    helper.answer("[YOU] > ", "");
    for agent in [traveller, helper] {
        agent.command("sessions");
        agent.sees("No active sessions.");
        agent.at_prompt();
    }
}

fn said(from: &mut Terminal, to: &mut Terminal, name: &str, text: &str) {
    from.answer("[YOU] > ", text);
    from.sees_all(&[&format!("[YOU] > {text}"), "[Sending encrypted...]", "✓ Delivered"]);
    to.sees(&format!("[{name}] > {text}"));
}
