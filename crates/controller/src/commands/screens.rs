//! The words and tables on the operator's screen, as pure functions. What comes from agents is filtered.

use std::fmt::Write as _;
use std::time::Duration;

use a2a_core::text::shown;
use a2a_node::command::shown_time;
use a2a_node::console::Console;
use a2a_node::repl::Outcome;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::Operator;
use crate::enrolment::Enrolled;
use crate::node::{ControllerNode, ControllerStatus, ServingStatus};
use crate::operator::{
    AgentReport, AuditVerdict, BackupReport, InfoReport, RestoreReport, RotationReport, StandingReport,
    TokenReport, TokenState, TokenSummary,
};
use crate::store::{AgentStatus, ApprovalRow, AuditEntry, Decision};

/// What a person sees first.
pub(crate) fn greeting(node: &ControllerNode, console: &Console) {
    let InfoReport { controller_id, fingerprint, words, .. } = node.controller().who();
    let address = node.address();
    console.print(&format!(
        "{controller_id} listening on {address}; type help\nFingerprint: {fingerprint}\nIn words:    {}",
        in_lines(&words)
    ));
    let detail = json!({
        "controller_id": controller_id, "address": address, "fingerprint": fingerprint, "words": words,
    });
    console.print_json(&json!({ "event": "listening", "detail": detail }));
}

/// Tells of an agent that has just been certified.
pub(crate) fn announce(enrolled: &Enrolled, console: &Console) {
    let Enrolled { agent_id, address, key_id, expires_at, first } = enrolled;
    let what = if *first { "Agent enrolled" } else { "Certificate renewed" };
    let end = shown_time(*expires_at);
    console.print(&format!("✓ {what}: {agent_id} at {address}\n  Key:     {key_id}\n  Expires: {end}"));
    console.print_json(&json!({ "event": "enrolled", "detail": enrolled }));
}

impl Operator {
    pub(super) fn info(&self, console: &Console) -> Outcome {
        let who = self.controller.who();
        let mut screen = format!(
            "Controller:  {}\nFingerprint: {}\nIn words:    {}",
            who.controller_id,
            who.fingerprint,
            in_lines(&who.words)
        );
        let mut result = json!(who);
        if let Some(here) = &self.serving {
            let (address, ca_file) = (here.node.address(), here.node.ca_file());
            let _ = write!(screen, "\nAddress:     {address}\nTLS root:    {}", ca_file.display());
            result["address"] = json!(address);
            result["ca_file"] = json!(ca_file);
        }
        console.print(&screen);
        Outcome::of(&result)
    }
}

pub(super) fn agents(agents: &[AgentReport]) -> String {
    if agents.is_empty() {
        return "No agents are registered.".to_owned();
    }
    table(
        ["AGENT", "NAME", "STANDING", "ADDRESS", "KEY", "EXPIRES"],
        agents.iter().map(|agent| {
            [
                agent.agent_id.to_string(),
                shown(&agent.name).into_owned(),
                agent.standing.to_owned(),
                agent.address.to_string(),
                short(&agent.key_id.to_string()),
                shown_time(agent.expires_at),
            ]
        }),
    )
}

pub(super) fn glance(status: &ControllerStatus) -> String {
    let mut lines = vec![
        format!("Controller:  {}", status.controller_id),
        format!("Fingerprint: {}", status.fingerprint),
        format!(
            "Agents:      {} with a valid certificate, {} ids taken, {} revoked, banned or held",
            status.agents_valid, status.agents_enrolled, status.agents_revoked
        ),
        format!(
            "Waiting:     {} for approval; {} join tokens can be used",
            status.approvals_waiting, status.tokens_open
        ),
        format!("Revocations: list {}", status.list_number),
        format!("Audit:       {} entries", status.audit_entries),
    ];
    if let Some(ServingStatus { address, enrolment, enrolments, uptime_seconds }) = &status.serving {
        let uptime = humantime::format_duration(Duration::from_secs(*uptime_seconds));
        lines.insert(1, format!("Address:     {address}"));
        lines.push(format!("Enrolment:   {enrolment}"));
        lines.push(format!("Issued:      {enrolments} certificates since the start"));
        lines.push(format!("Running for: {uptime}"));
    }
    lines.join("\n")
}

pub(super) fn token(made: &TokenReport) -> String {
    format!(
        "✓ Join token for {}, good for one use until {}:\n  {}\n  At the agent: --join-token TOKEN, or in a file with \
         --join-token-from file:PATH. It is not shown again.",
        made.agent_id,
        shown_time(made.expires_at),
        made.token
    )
}

pub(super) fn tokens(tokens: &[TokenSummary]) -> String {
    if tokens.is_empty() {
        return "No join tokens.".to_owned();
    }
    let state = |token: &TokenSummary| match (token.state, token.spent_at) {
        (TokenState::Spent, Some(at)) => format!("spent {}", shown_time(at)),
        (TokenState::Spent, None) => "spent".to_owned(),
        (TokenState::Open, _) => "open".to_owned(),
        (TokenState::Expired, _) => "expired".to_owned(),
    };
    table(
        ["TOKEN", "AGENT", "STATE", "MADE", "EXPIRES"],
        tokens.iter().map(|token| {
            [
                token.token.clone(),
                token.agent_id.to_string(),
                state(token),
                shown_time(token.created_at),
                shown_time(token.expires_at),
            ]
        }),
    )
}

pub(super) fn approvals(waiting: &[ApprovalRow]) -> String {
    if waiting.is_empty() {
        return "Nobody waits for approval.".to_owned();
    }
    table(
        ["AGENT", "NAME", "ADDRESS", "KEY", "SINCE"],
        waiting.iter().map(|row| {
            [
                row.key.agent_id.to_string(),
                shown(&row.name).into_owned(),
                shown(&row.address).into_owned(),
                row.key.key_id.to_string(),
                shown_time(row.asked_at),
            ]
        }),
    )
}

/// The question that an enrolment puts to the operator.
pub(super) fn question(row: &ApprovalRow) -> String {
    format!(
        "[ENROL] {} asks to be enrolled\n  Name:    {}\n  Address: {}\n  Key:     {}\n  Compare the key with what the \
         agent shows.\n\nApprove? (y/n)",
        row.key.agent_id,
        shown(&row.name),
        shown(&row.address),
        row.key.key_id
    )
}

pub(super) fn decided(row: &ApprovalRow) -> String {
    match row.decision {
        Decision::Approved => format!("✓ {} may enrol with key {}.", row.key.agent_id, row.key.key_id),
        _ => format!("✓ {} was turned away.", row.key.agent_id),
    }
}

pub(super) fn standing(report: &StandingReport) -> String {
    let StandingReport { agent_id, status, key_id, key_is_void, list_number } = report;
    let what = match status {
        AgentStatus::Active if *key_is_void => {
            format!("{agent_id} is free for a new key. The old one, {key_id}, stays void for good.")
        }
        AgentStatus::Active => {
            format!("{agent_id} may certify again with key {key_id}. What it had before stays void.")
        }
        AgentStatus::Banned => format!("{agent_id} is banned for good, and key {key_id} is void."),
        AgentStatus::Revoked | AgentStatus::Held => {
            format!("{agent_id} is revoked, and so is key {key_id}. `reinstate {agent_id}` takes it back.")
        }
    };
    format!("✓ {what}\n  Revocation list {list_number} tells the agents.")
}

pub(super) fn rotated(report: &RotationReport) -> String {
    format!(
        "✓ The controller certifies under a new key; agents follow by themselves.\n  Fingerprint: {}\n  Former key:  {}, \
         good until {}\n  Other controllers without a common key directory need its file, too.\n  \
         Make a backup: an older one would bring the former key back.",
        report.fingerprint,
        report.former_key_id,
        shown_time(report.former_until)
    )
}

pub(super) fn audit(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "No entries.".to_owned();
    }
    table(
        ["NO", "TIME", "EVENT", "AGENT", "DETAIL"],
        entries.iter().map(|entry| {
            [
                entry.seq.to_string(),
                shown_time(entry.at),
                entry.event.to_string(),
                entry.agent_id.as_ref().map(ToString::to_string).unwrap_or_default(),
                detail(&entry.detail),
            ]
        }),
    )
}

/// `a=1 b=two`, long digests cut short: `--json` has them whole.
fn detail(detail: &Value) -> String {
    let Some(members) = detail.as_object() else { return shown(&detail.to_string()).into_owned() };
    let member = |(name, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), short);
        format!("{name}={}", shown(&value))
    };
    members.iter().map(member).collect::<Vec<_>>().join(" ")
}

pub(super) fn whole(verdict: &AuditVerdict) -> String {
    let entries = verdict.entries;
    match verdict.anchored {
        Some(anchored) => {
            format!(
                "✓ The audit is whole: {entries} entries, of which this data directory vouches for {anchored}."
            )
        }
        None => format!("✓ The audit is whole: {entries} entries."),
    }
}

pub(super) fn backed_up(report: &BackupReport) -> String {
    let BackupReport { file, bytes, agents, audit_entries } = report;
    format!(
        "✓ Backup written: {} ({bytes} bytes, {agents} agents, {audit_entries} audit entries). Whoever has it and its \
         passphrase is this controller.",
        file.display()
    )
}

/// What a restore has led to.
pub(crate) fn restored(report: &RestoreReport) -> String {
    let RestoreReport { controller_id, fingerprint, made_at, agents, held, revoked, list_number } = report;
    let mut text = format!(
        "✓ {controller_id} is restored from the backup of {}: {agents} agents, revocation list {list_number}.\n  \
         Fingerprint: {fingerprint}",
        shown_time(*made_at)
    );
    let names = |agents: &[a2a_core::agent_id::AgentId]| {
        agents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    if !revoked.is_empty() {
        let _ = write!(text, "\n  Revoked since the backup: {}", names(revoked));
    }
    if !held.is_empty() {
        let _ = write!(
            text,
            "\n  Held, since nobody can tell whether they were revoked since: {}\n  Say `reinstate AGENT` for each that \
             you trust.",
            names(held)
        );
    }
    text
}

fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A digest by its beginning; anything else as it is.
fn short(text: &str) -> String {
    let is_digest = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_digest { format!("{}…", &text[..16]) } else { text.to_owned() }
}

/// Twenty-four words, eight a line.
fn in_lines(words: &str) -> String {
    let words: Vec<_> = words.split(' ').collect();
    words.chunks(8).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n             ")
}
