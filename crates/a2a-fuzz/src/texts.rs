//! Names, tokens, fingerprints and free text: what people read and type.

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::{JoinToken, MethodName, fingerprint};
use a2a_core::crypto::signature::KeyId;
use a2a_core::text::{FreeText, shown, shown_lines};
use a2a_core::wire::Base64;

/// What is shown holds nothing that moves a cursor, reorders a line or hides; what is a name has one spelling.
pub(crate) fn any(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    filtered(text);
    names(text);
    handed_on(text);
}

fn filtered(text: &str) {
    let line = shown(text);
    assert_harmless(&line);
    assert_eq!(shown(&line), line);
    for (number, line) in shown_lines(text).split('\n').enumerate() {
        assert_harmless(line);
        assert!(number == 0 || line.starts_with("    "), "a line that could pass for a prompt");
    }
    if let Ok(free) = text.parse::<FreeText<64>>() {
        assert!(text.len() <= 64 && free.as_str() == text);
        assert_eq!(free.is_plain(), line == text);
        assert_eq!(free.to_string(), line);
        assert_harmless(&format!("{free:?}"));
    }
}

/// By a list of its own, of what has been abused: not the filter's.
pub(crate) fn assert_harmless(line: &str) {
    let harmful = line.chars().find(|char| {
        char.is_control()
            || matches!(char, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(char, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{3164}')
            || matches!(char, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
    });
    assert_eq!(harmful, None, "in {line:?}");
}

fn names(text: &str) {
    if let Ok(id) = text.parse::<AgentId>() {
        assert_eq!(id.as_str(), text);
        assert_harmless(text);
    }
    if let Ok(name) = text.parse::<MethodName>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(address) = text.parse::<AgentAddress>() {
        // A person may leave out the port; what is then said has it, and stays the same.
        assert_eq!(address.to_string().parse().as_ref(), Ok(&address));
        assert_eq!(AgentAddress::try_from(address.to_string()).as_ref(), Ok(&address));
        assert_eq!(format!("https://{}:{}", address.host(), address.port()), address.to_string());
        assert!(address.to_string().is_ascii());
    }
}

fn handed_on(text: &str) {
    if let Ok(token) = text.parse::<JoinToken>() {
        assert_eq!(token.to_string(), text);
        assert!(!format!("{token:?}").contains(&text[text.len() - 43..]), "a secret is shown");
    }
    if let Ok(words) = fingerprint::from_words(text) {
        let written = fingerprint::to_words(&words);
        assert_eq!(fingerprint::from_words(&written).as_ref(), Ok(&words));
        let typed: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
        assert_eq!(written, typed.join(" "));
    }
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(bytes) = text.parse::<Base64>() {
        assert_eq!(bytes.to_string(), text);
    }
}
