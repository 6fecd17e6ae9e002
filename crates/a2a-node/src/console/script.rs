//! `--exec 'setup; info'`: one argument, many lines.

use crate::repl::CommandError;

/// Splits at every `;` and line end outside quotes. A quote opens where a word or a value begins (after a
/// blank or `=`), so that the apostrophe in `it's` is just an apostrophe.
pub fn split(commands: &str) -> Result<Vec<String>, CommandError> {
    let mut lines = vec![String::new()];
    let mut quote = None;
    let mut before = ' ';
    for char in commands.chars() {
        match quote {
            Some(open) if char == open => quote = None,
            None if matches!(char, '"' | '\'') && (before.is_whitespace() || matches!(before, '=' | ';')) => {
                quote = Some(char);
            }
            _ => {}
        }
        before = char;
        if quote.is_none() && matches!(char, ';' | '\n') {
            lines.push(String::new());
        } else if let Some(line) = lines.last_mut() {
            line.push(char);
        }
    }
    if let Some(open) = quote {
        return Err(CommandError::usage(format!("a quote ({open}) is not closed in `{commands}`")));
    }
    Ok(lines.iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_semicolons_outside_quotes() {
        for (commands, lines) in [
            ("setup; info", vec!["setup", "info"]),
            ("setup;info;", vec!["setup", "info"]),
            ("", vec![]),
            (" ; ;; ", vec![]),
            ("send x 'a; b'; close", vec!["send x 'a; b'", "close"]),
            ("request u x --purpose=\"a; b\"; y", vec!["request u x --purpose=\"a; b\"", "y"]),
            ("send x it's; close", vec!["send x it's", "close"]),
            ("send x \"it's; ok\"", vec!["send x \"it's; ok\""]),
            ("setup\ninfo", vec!["setup", "info"]),
            ("send x ü; y", vec!["send x ü", "y"]),
        ] {
            assert_eq!(split(commands).unwrap(), lines, "{commands}");
        }
    }

    #[test]
    fn an_open_quote_is_a_usage_error() {
        assert_eq!(split("send x 'a; b").unwrap_err().exit_code(), 2);
    }
}
