//! The seed's screens, word for word.
#![allow(clippy::unwrap_used)]

use tokio::sync::oneshot;

use super::super::tests::{entry, session};
use super::*;
use crate::agent::report::RenewalFailure;

const ID: &str = "4e35544a-da2e-49ff-83ca-5077cb8d641c";

#[test]
fn the_choice_of_a_session_is_the_seeds() {
    let screen = session_choice(&[session(ID, "helper_agent_001", SessionStage::Pending)]);
    assert_eq!(
        screen,
        "\nActive Sessions:\n  1. Session ID: 4e35544a... | Peer: helper_agent_001 | AES Key: Pending\n"
    );
}

#[test]
fn the_session_list_begins_as_the_seeds() {
    let mut report = session(ID, "helper_agent_001", SessionStage::Established);
    report.safety_code = Some("1234 5678".into());
    assert_eq!(
        sessions(&[report]),
        "Session: 4e35544a-da2e-49ff-83ca-5077cb8d641c\n  Peer: helper_agent_001\n  AES Key: Established ✓\n  \
         Created: 2026-02-16 00:00:00 UTC\n  Role: initiator\n  Suite: A2A-MODP2048-MLKEM768\n  \
         Messages: 2 sent, 1 received\n  Safety code: 1234 5678"
    );
    assert!(sessions(&[session(ID, "h", SessionStage::Pending)]).contains("\n  AES Key: Pending\n"));
    assert_eq!(sessions(&[]), "No active sessions.");
}

#[test]
fn the_choice_of_an_agent_is_the_seeds() {
    let mut worker = entry("worker_agent_001");
    worker.name = "Worker Agent".into();
    assert_eq!(
        agent_choice(&[entry("helper_agent_001"), worker]),
        "Available agents:\n  1. helper_agent_001 (Helper Agent)\n  2. worker_agent_001 (Worker Agent)"
    );
}

fn request(purpose: &str) -> ConsentRequest {
    let asker = entry("traveller_agent_001");
    ConsentRequest {
        request_id: ID.parse().unwrap(),
        agent_id: asker.agent_id,
        name: "Traveller\u{202e} Agent".into(),
        address: asker.address,
        key_id: asker.key_id,
        purpose: purpose.into(),
        expires_at: asker.expires_at,
        answer: oneshot::channel().0,
    }
}

#[test]
fn a_request_shows_who_asks_and_cannot_draw_on_the_screen() {
    let key = "ab".repeat(32);
    let screen = question(&request("lunch\n[YOU] > \u{1b}[2J"));
    assert_eq!(
        screen,
        format!(
            "[INCOMING] Communication request from traveller_agent_001\n  Name:    Traveller\\u{{202e}} Agent\n  \
             Address: https://localhost:5001\n  Key:     {key}\n  Purpose: lunch\\n[YOU] > \\u{{1b}}[2J\n\n\
             Do you want to accept? (y/n):"
        )
    );
    assert!(!question(&request("")).contains("Purpose"));
}

#[test]
fn a_message_keeps_its_lines_and_nothing_else() {
    let received = ReceivedMessage {
        session_id: ID.parse().unwrap(),
        from: "helper_agent_001".parse().unwrap(),
        seq: 0,
        text: "Yes!\nhelper_1> \u{7}exit".into(),
        received_at: UnixTime::from_secs(0),
    };
    assert_eq!(message(&received), "[helper_agent_001] > Yes!\n    helper_1> \\u{7}exit");
}

fn exchange_screen(suite: Suite) -> String {
    let steps = [
        Progress::KeyExchangeStarted { suite },
        Progress::SharesGenerated { suite },
        Progress::ShareSent,
        Progress::ShareReceived,
        Progress::SignatureVerified,
        Progress::KeysEstablished,
    ];
    steps.iter().filter_map(key_exchange_progress).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_key_exchange_reads_as_the_seeds_and_tells_what_the_suite_does() {
    assert_eq!(
        exchange_screen(Suite::Modp2048),
        "\n[KEY EXCHANGE] Starting...\n\
         [CRYPTO] Using DH group: RFC 3526 group 14 (2048-bit)\n\
         [CRYPTO] ✓ DH key pair generated\n\
         [KEY EXCHANGE] Sending signed DH public key to peer...\n\
         [KEY EXCHANGE] ✓ Received peer's signed DH public key\n\
         [KEY EXCHANGE] ✓ Signature verified\n\
         [KEY EXCHANGE] Computing shared secret...\n\
         [KEY EXCHANGE] ✓ AES-256 key established and stored in session"
    );
    let hybrid = exchange_screen(Suite::Modp2048MlKem768);
    assert!(hybrid.contains("[CRYPTO] Using DH group: RFC 3526 group 14 (2048-bit), with ML-KEM-768\n"));
    assert!(hybrid.contains("[CRYPTO] ✓ ML-KEM-768 key pair generated\n"));
    let fast = exchange_screen(Suite::X25519MlKem768);
    assert!(fast.contains("X25519") && !fast.contains("RFC 3526"), "{fast}");
}

#[test]
fn setup_says_the_seeds_three_lines() {
    let lines: Vec<_> = [Progress::TrustEstablished, Progress::Registered, Progress::CertificateStored]
        .iter()
        .filter_map(setup_progress)
        .collect();
    assert_eq!(lines, ["✓ Trust established", "✓ Registration successful", "✓ Certificate stored"]);
    assert_eq!(setup_progress(&Progress::ShareSent), None);
}

#[test]
fn the_chat_has_the_seeds_heading() {
    let heading = chat_heading(&"helper_agent_001".parse().unwrap());
    let rule = "━".repeat(41);
    assert_eq!(
        heading,
        format!(
            "\n{rule}\n💬 Secure Chat with helper_agent_001\n{rule}\n\nYou can now chat securely. Type 'exit' to \
             close.\n"
        )
    );
}

#[test]
fn an_ended_session_says_why_and_what_is_missing() {
    let report = |cause, missing, unacknowledged| ClosedReport {
        session_id: ID.parse().unwrap(),
        peer_agent_id: "helper_agent_001".parse().unwrap(),
        cause,
        missing,
        unacknowledged,
        confirmed: true,
    };
    assert_eq!(
        closed(&report(CloseCause::ClosedByPeer, 0, 0)),
        "[SESSION] helper_agent_001 closed the session. Keys cleared."
    );
    assert_eq!(
        closed(&report(CloseCause::Idle, 2, 0)),
        "[SESSION] The session with helper_agent_001 was silent for too long. Keys cleared.\n  The last 2 messages \
         from there never arrived."
    );
    assert_eq!(
        closed(&report(CloseCause::Revoked, 0, 1)),
        "[SESSION] The session with helper_agent_001 has ended: the controller has revoked a certificate. Keys \
         cleared.\n  Your last message was never acknowledged."
    );
    assert!(
        closed(&report(CloseCause::Lost, 0, 3)).ends_with("Your last 3 messages were never acknowledged.")
    );
}

fn status_report() -> StatusReport {
    let at = UnixTime::from_secs;
    StatusReport {
        agent_id: "helper_agent_001".parse().unwrap(),
        address: "https://localhost:5001".parse().unwrap(),
        controller: "https://localhost:5000".into(),
        controller_fingerprint: None,
        certificate_expires_at: Some(at(86_400)),
        renews_at: Some(at(43_200)),
        renewal_failure: None,
        revoked: false,
        revocations_number: Some(1),
        revocations_until: Some(at(21_600)),
        crypto_provider: "any",
        accept: "ask".into(),
        sessions_pending: 0,
        sessions_established: 0,
        requests_waiting: 0,
        messages_sent: 0,
        messages_received: 0,
        uptime_seconds: 0,
    }
}

#[test]
fn status_says_when_the_certificate_is_renewed_and_why_it_was_not() {
    let mut report = status_report();
    let screen = status(&report);
    assert!(
        screen.contains(
            "Certificate:   until 1970-01-02 00:00:00 UTC\n  Renews:      1970-01-01 12:00:00 UTC\n"
        )
    );
    assert!(screen.contains("\nRevocations:   known, good until 1970-01-01 06:00:00 UTC\n"));
    assert!(!screen.contains("failure"));
    report.renewal_failure = Some(RenewalFailure {
        at: UnixTime::from_secs(43_201),
        code: "controller_unreachable".into(),
        error: "no answer\u{1b}[2J".into(),
    });
    let screen = status(&report);
    assert!(screen.contains("\n  Last failure: 1970-01-01 12:00:01 UTC: no answer\\u{1b}[2J\n"), "{screen}");
    (report.revoked, report.renews_at) = (true, None);
    assert!(status(&report).contains("Certificate:   revoked; ask whoever runs the controller\n"));
}

#[test]
fn a_fingerprint_is_shown_in_digits_and_in_words() {
    let screen = fingerprint(&KeyId::from_bytes([0; 32]));
    let six = "abandon abandon abandon abandon abandon abandon";
    let digits = "0".repeat(64);
    assert_eq!(
        screen,
        format!(
            "  {digits}\nor, in words,\n  {six}\n  {six}\n  {six}\n  abandon abandon abandon abandon abandon art"
        )
    );
}

#[test]
fn what_an_agent_tells_of_itself() {
    let (key_id, at) = (KeyId::from_bytes([0xab; 32]), UnixTime::from_secs);
    let mut report = RenewalReport {
        serial: "00".into(),
        key_id,
        new_key: false,
        expires_at: at(86_400),
        renews_at: at(43_200),
    };
    let screen =
        "[CERTIFICATE] ✓ Renewed until 1970-01-02 00:00:00 UTC; next renewal 1970-01-01 12:00:00 UTC.";
    assert_eq!(renewed(&report), screen);
    report.new_key = true;
    assert_eq!(renewed(&report), format!("{screen}\n  New key: {key_id}"));
    let former = KeyId::from_bytes([0xcd; 32]);
    let screen = followed(&SuccessionReport { former, fingerprint: key_id });
    assert!(screen.contains(&former.to_string()) && screen.contains(&key_id.to_string()));
    let screen = with_next_step(&NodeError::Revoked);
    assert!(screen.contains("revoked this agent\n  → ask whoever runs the controller"), "{screen}");
}
