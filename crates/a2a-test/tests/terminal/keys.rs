//! Keys under a passphrase, and a process that keeps its memory to itself.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::place::agent;
use crate::program::{Ended, command, run};
use crate::terminal::Terminal;

#[test]
fn a_prompt_asks_twice_and_later_once() {
    let dir = TempDir::new().unwrap();
    let start = || {
        let mut command = command("helper", dir.path());
        command.args(["--passphrase-from", "prompt"]);
        Terminal::start(command, "helper_1> ")
    };
    let mut helper = start();
    helper.hidden_answer("New passphrase for the keys:", "open sesame");
    helper.hidden_answer("The same again:", "open sesame");
    helper.at_prompt();
    assert!(!helper.picture().contains("sesame"), "{}", helper.picture());
    helper.command("exit");
    assert_eq!(helper.ends(), Some(0));
    for key in ["identity.key", "tls.key"] {
        assert!(fs::read(dir.path().join("helper").join(key)).unwrap().starts_with(b"A2A-SEAL"), "{key}");
    }

    let mut helper = start();
    helper.hidden_answer("Passphrase:", "open sesame");
    helper.at_prompt();
    helper.command("exit");
    assert_eq!(helper.ends(), Some(0));

    let mut helper = start();
    helper.hidden_answer("Passphrase:", "open barley");
    assert_eq!(helper.ends(), Some(1));
    helper.sees_beginning("✗ ");
    assert!(helper.picture().contains(".key: the passphrase is not the one that it was sealed under"));
}

#[test]
fn ctrl_c_at_the_prompt_leaves_the_terminal_as_it_was() {
    let dir = TempDir::new().unwrap();
    let mut command = command("helper", dir.path());
    command.args(["--passphrase-from", "prompt"]);
    let mut helper = Terminal::start(command, "helper_1> ");
    helper.sees("New passphrase for the keys:");
    helper.keys("open ses\x03");
    assert_eq!(helper.ends(), Some(1));
    assert!(helper.is_restored());
    assert!(!helper.picture().contains("open"), "{}", helper.picture());
    assert!(!dir.path().join("helper/identity.key").exists());
}

#[test]
fn two_new_passphrases_that_differ_seal_nothing() {
    let dir = TempDir::new().unwrap();
    let mut command = command("helper", dir.path());
    command.args(["--passphrase-from", "prompt"]);
    let mut helper = Terminal::start(command, "helper_1> ");
    helper.hidden_answer("New passphrase for the keys:", "one");
    helper.hidden_answer("The same again:", "two");
    assert_eq!(helper.ends(), Some(1));
    assert!(helper.picture().contains("the two passphrases differ"), "{}", helper.picture());
    assert!(helper.is_restored());
    assert!(!dir.path().join("helper/identity.key").exists());
}

#[test]
fn every_program_reads_its_sealed_keys_again_and_only_so() {
    for program in ["controller", "traveller"] {
        let dir = TempDir::new().unwrap();
        let right = passphrase_file(dir.path(), "right");
        let wrong = passphrase_file(dir.path(), "wrong");
        let with = |source: Option<&Path>| {
            let mut command = command(program, dir.path());
            if let Some(path) = source {
                command.env("A2A_PASSPHRASE_FROM", format!("file:{}", path.display()));
            }
            run(command, "status\n")
        };
        for _ in 0..2 {
            let Ended { code, stderr, .. } = with(Some(&right));
            assert_eq!(code, Some(0), "{program}: {stderr}");
        }
        let Ended { code, stderr, .. } = with(Some(&wrong));
        assert_eq!(code, Some(1), "{program}");
        assert!(stderr.contains("the passphrase is not the one"), "{program}: {stderr}");
        let Ended { code, stderr, .. } = with(None);
        assert_eq!(code, Some(1), "{program}");
        assert!(stderr.contains("is sealed") && stderr.contains("--passphrase-from"), "{program}: {stderr}");
    }
}

#[test]
fn no_program_leaves_a_core_dump() {
    for program in ["controller", "worker"] {
        let dir = TempDir::new().unwrap();
        let mut terminal = match program {
            "controller" => Terminal::start(command(program, dir.path()), "controller> "),
            agent_program => agent(command(agent_program, dir.path()), agent_program).0,
        };
        terminal.at_prompt();
        let limits = fs::read_to_string(format!("/proc/{}/limits", terminal.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{program}");
    }
}

/// Failures that come before the first command are objects, too.
#[test]
fn with_json_even_a_start_that_fails_is_one_object() {
    let dir = TempDir::new().unwrap();
    let failed = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command: Command = command("helper", dir.path());
        command.args(arguments).envs(environment.iter().copied()).stdin(Stdio::null());
        let ended = run(command, "");
        let objects = ended.json();
        assert_eq!((objects.len(), ended.stderr.as_str()), (1, ""), "{ended:?}");
        assert_eq!(objects[0]["ok"], false);
        assert!(!objects[0]["error"]["message"].as_str().unwrap().is_empty());
        (ended.code.unwrap(), objects[0]["error"]["code"].as_str().unwrap().to_owned())
    };
    let usage = (2, "usage".to_owned());
    assert_eq!(failed(&["--json", "--nonsense"], &[]), usage);
    assert_eq!(failed(&["--nonsense", "--json"], &[]), usage);
    assert_eq!(failed(&["--nonsense"], &[("A2A_JSON", "1")]), usage);
    assert_eq!(failed(&["--json", "--log", "a2a_node=loud"], &[]), usage);
    assert_eq!(failed(&["--json", "--headless"], &[]), usage);
    assert_eq!(failed(&["--json", "--exec", "send 'half"], &[]), usage);
    let missing = failed(&["--json", "--passphrase-from", "file:/nowhere"], &[]);
    assert_eq!(missing, (1, "environment".to_owned()));
}

fn passphrase_file(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join(text);
    let mut options = fs::OpenOptions::new();
    let mut file = options.create_new(true).write(true).mode(0o600).open(&path).unwrap();
    std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes()).unwrap();
    path
}
