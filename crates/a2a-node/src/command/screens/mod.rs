//! The words on the screen, as pure functions: what a session list, a request or a key exchange looks like.
//!
//! Whatever a peer has written is filtered here once more, so that nothing depends on who filtered it before.

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::fingerprint::to_words;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::signature::KeyId;
use a2a_core::text::{shown, shown_lines};
use a2a_core::time::UnixTime;

use crate::agent::report::{
    AgentEntry, CloseCause, ClosedReport, Progress, RenewalReport, SessionReport, SessionStage, StatusReport,
    SuccessionReport,
};
use crate::error::NodeError;
use crate::event::{ConsentRequest, ReceivedMessage};

/// The question that a request puts to a person.
pub(super) fn question(request: &ConsentRequest) -> String {
    let ConsentRequest { agent_id, name, address, key_id, purpose, .. } = request;
    let purpose = if purpose.is_empty() { String::new() } else { format!("\n  Purpose: {}", shown(purpose)) };
    format!(
        "[INCOMING] Communication request from {agent_id}\n  Name:    {}\n  Address: {address}\n  Key:     {key_id}\
         {purpose}\n\n{ACCEPT_QUESTION}",
        shown(name)
    )
}

/// What is said of a request that a person cannot answer now.
pub(super) fn request_held(request: &ConsentRequest) -> String {
    format!(
        "[INCOMING] Communication request from {}\n  It waits until you leave this chat.",
        request.agent_id
    )
}

/// A message that has come.
pub(super) fn message(message: &ReceivedMessage) -> String {
    format!("[{}] > {}", message.from, shown_lines(&message.text))
}

/// The session list.
pub(super) fn sessions(sessions: &[SessionReport]) -> String {
    if sessions.is_empty() {
        return "No active sessions.".to_owned();
    }
    sessions.iter().map(session).collect::<Vec<_>>().join("\n\n")
}

fn session(report: &SessionReport) -> String {
    let role = if report.initiated { "initiator" } else { "responder" };
    let code =
        report.safety_code.as_ref().map_or_else(String::new, |code| format!("\n  Safety code: {code}"));
    format!(
        "Session: {}\n  Peer: {}\n  AES Key: {}\n  Created: {}\n  Role: {role}\n  Suite: {}\n  \
         Messages: {} sent, {} received{code}",
        report.session_id,
        report.peer_agent_id,
        key_state(report.stage),
        time(report.created_at),
        report.suite,
        report.sent,
        report.received,
    )
}

/// The list to choose a session from.
pub(super) fn session_choice(sessions: &[SessionReport]) -> String {
    let line = |(number, report): (usize, &SessionReport)| {
        let short = &report.session_id.to_string()[..8];
        let (peer, key) = (&report.peer_agent_id, key_state(report.stage));
        format!("\n  {}. Session ID: {short}... | Peer: {peer} | AES Key: {key}", number + 1)
    };
    let lines: String = sessions.iter().enumerate().map(line).collect();
    format!("\nActive Sessions:{lines}\n")
}

fn key_state(stage: SessionStage) -> &'static str {
    match stage {
        SessionStage::Pending => "Pending",
        SessionStage::Established => "Established ✓",
    }
}

/// The list to choose an agent from.
pub(super) fn agent_choice(agents: &[AgentEntry]) -> String {
    let line = |(number, agent): (usize, &AgentEntry)| {
        format!("\n  {}. {} ({})", number + 1, agent.agent_id, shown(&agent.name))
    };
    format!("Available agents:{}", agents.iter().enumerate().map(line).collect::<String>())
}

/// The directory.
pub(super) fn directory(agents: &[AgentEntry]) -> String {
    let line = |agent: &AgentEntry| {
        let this = if agent.is_self { ", this agent" } else { "" };
        format!(
            "{} ({}{this})\n  Address: {}\n  Key:     {}\n  Expires: {}",
            agent.agent_id,
            shown(&agent.name),
            agent.address,
            agent.key_id,
            time(agent.expires_at)
        )
    };
    if agents.is_empty() {
        return "No agents are registered.".to_owned();
    }
    agents.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The agent's own certificate.
pub(super) fn certificate(certificate: &AgentCertificate) -> String {
    let card = &certificate.agent_card;
    let methods: Vec<_> = card.methods.iter().map(ToString::to_string).collect();
    format!(
        "Agent ID:      {}\nName:          {}\nAddress:       {}\nKey:           {} (RSA, {} bits)\n\
         Methods:       {}\nSerial:        {}\nIssued by:     {}\nIssuer's key:  {}\nIssued:        {}\n\
         Expires:       {}",
        card.agent_id,
        card.name,
        card.address,
        card.public_key.key_id(),
        card.public_key.bits(),
        methods.join(", "),
        certificate.serial,
        certificate.controller_id,
        certificate.controller_key_id,
        time(certificate.issued_at),
        time(certificate.expires_at),
    )
}

/// Everything at a glance.
pub(super) fn status(status: &StatusReport) -> String {
    let certificate = match status.certificate_expires_at {
        None => "none; run `setup`".to_owned(),
        Some(_) if status.revoked => "revoked; ask whoever runs the controller".to_owned(),
        Some(end) => format!("until {}", time(end)),
    };
    let (renewal, list) = (renewal(status), list(status));
    let fingerprint =
        status.controller_fingerprint.map_or_else(|| "not pinned yet".to_owned(), |id| id.to_string());
    format!(
        "Agent:         {} at {}\nCertificate:   {certificate}{renewal}\nController:    {}\n  Fingerprint: {fingerprint}{list}\n\
         Requests:      accept {}; {} waiting\nSessions:      {} established, {} pending\n\
         Messages:      {} sent, {} received\nCryptography:  {}\nRunning for:   {}",
        status.agent_id,
        status.address,
        status.controller,
        status.accept,
        status.requests_waiting,
        status.sessions_established,
        status.sessions_pending,
        status.messages_sent,
        status.messages_received,
        status.crypto_provider,
        humantime::format_duration(std::time::Duration::from_secs(status.uptime_seconds)),
    )
}

/// When the certificate is renewed, and why it has not been.
fn renewal(status: &StatusReport) -> String {
    let renews = status.renews_at.map(|at| format!("\n  Renews:      {}", time(at)));
    let failure = status.renewal_failure.as_ref();
    let failure = failure.map(|it| format!("\n  Last failure: {}: {}", time(it.at), shown(&it.error)));
    renews.into_iter().chain(failure).collect()
}

fn list(status: &StatusReport) -> String {
    let line = |until| format!("\nRevocations:   known, good until {}", time(until));
    status.revocations_until.map(line).unwrap_or_default()
}

/// What `setup` says as it goes.
pub(crate) fn setup_progress(progress: &Progress) -> Option<&'static str> {
    match progress {
        Progress::TrustEstablished => Some("✓ Trust established"),
        Progress::AwaitingApproval => {
            Some("… Waiting until whoever runs the controller approves this agent (Ctrl-C gives up)")
        }
        Progress::Registered => Some("✓ Registration successful"),
        Progress::CertificateStored => Some("✓ Certificate stored"),
        _ => None,
    }
}

/// What a key exchange says as it goes: only what the suite really does.
pub(super) fn key_exchange_progress(progress: &Progress) -> Option<String> {
    match progress {
        Progress::KeyExchangeStarted { suite } => {
            Some(format!("\n[KEY EXCHANGE] Starting...\n[CRYPTO] Using {}", exchange(*suite)))
        }
        Progress::SharesGenerated { suite } => Some(generated(*suite)),
        Progress::ShareSent => Some("[KEY EXCHANGE] Sending signed DH public key to peer...".to_owned()),
        Progress::ShareReceived => Some("[KEY EXCHANGE] ✓ Received peer's signed DH public key".to_owned()),
        Progress::SignatureVerified => {
            Some("[KEY EXCHANGE] ✓ Signature verified\n[KEY EXCHANGE] Computing shared secret...".to_owned())
        }
        Progress::KeysEstablished => {
            Some("[KEY EXCHANGE] ✓ AES-256 key established and stored in session".to_owned())
        }
        _ => None,
    }
}

fn exchange(suite: Suite) -> &'static str {
    match suite {
        Suite::Modp2048MlKem768 => "DH group: RFC 3526 group 14 (2048-bit), with ML-KEM-768",
        Suite::X25519MlKem768 => "DH function: X25519, with ML-KEM-768",
        Suite::Modp2048 => "DH group: RFC 3526 group 14 (2048-bit)",
    }
}

fn generated(suite: Suite) -> String {
    let kem = if suite.is_hybrid() { "\n[CRYPTO] ✓ ML-KEM-768 key pair generated" } else { "" };
    format!("[CRYPTO] ✓ DH key pair generated{kem}")
}

/// The heading above a chat.
pub(super) fn chat_heading(peer: &AgentId) -> String {
    format!(
        "\n{RULE}\n💬 Secure Chat with {peer}\n{RULE}\n\nYou can now chat securely. Type 'exit' to close.\n"
    )
}

/// That a session has ended without this side's doing.
pub(super) fn closed(report: &ClosedReport) -> String {
    let peer = &report.peer_agent_id;
    let what = match report.cause {
        CloseCause::ClosedHere => format!("The session with {peer} is closed."),
        CloseCause::ClosedByPeer => format!("{peer} closed the session."),
        CloseCause::Idle => format!("The session with {peer} was silent for too long."),
        CloseCause::Expired => format!("The session with {peer} has reached its end."),
        CloseCause::Lost => {
            format!("The session with {peer} is lost: it has forgotten it or broken the protocol.")
        }
        CloseCause::Revoked => {
            format!("The session with {peer} has ended: the controller has revoked a certificate.")
        }
    };
    let missing = match report.missing {
        0 => String::new(),
        1 => "\n  The last message from there never arrived.".to_owned(),
        count => format!("\n  The last {count} messages from there never arrived."),
    };
    format!("[SESSION] {what} Keys cleared.{missing}{}", unacknowledged(report.unacknowledged))
}

/// What is said of messages that the peer may have or not.
pub(super) fn unacknowledged(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "\n  Your last message was never acknowledged.".to_owned(),
        count => format!("\n  Your last {count} messages were never acknowledged."),
    }
}

/// That the certificate has been renewed.
pub(super) fn renewed(report: &RenewalReport) -> String {
    let key = if report.new_key { format!("\n  New key: {}", report.key_id) } else { String::new() };
    let (until, next) = (time(report.expires_at), time(report.renews_at));
    format!("[CERTIFICATE] ✓ Renewed until {until}; next renewal {next}.{key}")
}

/// That the controller has a new key.
pub(super) fn followed(report: &SuccessionReport) -> String {
    let SuccessionReport { former, fingerprint } = report;
    format!(
        "[CONTROLLER] The controller's key has a successor, signed by the key that this agent trusted. Trusted now:\n  \
         {fingerprint}\n  Before:\n  {former}"
    )
}

/// Something that went wrong by itself, and what to do about it.
pub(super) fn with_next_step(error: &NodeError) -> String {
    format!("[CONTROLLER] ✗ {}\n  → {}", shown_lines(&error.to_string()), error.next_step())
}

/// A fingerprint in the two ways in which people compare one: digits, and words in lines of six.
pub(super) fn fingerprint(fingerprint: &KeyId) -> String {
    let words = to_words(fingerprint);
    let words: Vec<_> = words.split(' ').collect();
    let lines: Vec<_> = words.chunks(6).map(|line| line.join(" ")).collect();
    format!("  {fingerprint}\nor, in words,\n  {}", lines.join("\n  "))
}

/// A time for people, in UTC.
pub fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}

/// The question below a request.
pub(super) const ACCEPT_QUESTION: &str = "Do you want to accept? (y/n):";
const RULE: &str = "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━";

#[cfg(test)]
mod tests;
