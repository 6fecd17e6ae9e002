//! The real binary: told by argv and environment, typed to by a script, stopped by a signal.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The program with its files in `dir` and nothing of the environment's own settings.
fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_controller"));
    command.env_clear().current_dir(dir).args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_script_gets_its_answers_as_json_and_the_files_stand_where_they_should() {
    let dir = TempDir::new().unwrap();
    let run = || program(dir.path()).args(["--json", "--exec", "info; agents; status"]).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{output:?}");
    let objects = objects(&output);
    assert_eq!(objects[0]["event"], "listening");
    let info = &objects[1]["result"];
    assert_eq!(info["controller_id"], "controller_001");
    assert_eq!(info["fingerprint"].as_str().unwrap().len(), 64);
    assert_eq!(objects[2]["result"], Value::Array(Vec::new()));
    assert_eq!(objects[3]["result"]["agents_enrolled"], 0);
    let published = fs::read(dir.path().join("certs/ca.pem")).unwrap();
    assert_eq!(published, fs::read(dir.path().join("data/controller/tls_root.pem")).unwrap());
    // The second time it is the same controller.
    let again = run();
    assert_eq!(&self::objects(&again)[1]["result"]["fingerprint"], &info["fingerprint"]);
}

#[test]
fn the_environment_is_read_and_the_command_line_wins() {
    let dir = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_controller"))
        .env_clear()
        .env("A2A_LISTEN", "127.0.0.1:0")
        .env("A2A_DATA_DIR", dir.path().join("elsewhere"))
        .env("A2A_CONTROLLER_ID", "by_environment")
        .env("A2A_JSON", "1")
        .env("A2A_EXEC", "info")
        .args(["--controller-id", "by_argument"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(objects(&output)[1]["result"]["controller_id"], "by_argument");
    assert!(dir.path().join("elsewhere/controller.key").exists());
}

#[test]
fn what_is_refused_is_said_on_stderr_with_what_to_do() {
    let dir = TempDir::new().unwrap();
    let refused = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_controller"))
            .env_clear()
            .current_dir(dir.path())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap(), text(&output.stderr).to_owned())
    };
    let (code, words) = refused(&["--listen", "0.0.0.0:0", "--exec", "info"]);
    assert!(code == 1 && words.contains("enrolment is open"), "{code} {words}");
    let (code, words) = refused(&["--listen", "127.0.0.1:0", "--headless", "--exec", "info"]);
    assert!(code == 2 && words.contains("--headless"), "{code} {words}");
    let (code, words) = refused(&["token", "helper"]);
    assert!(code == 1 && words.contains("no controller") && words.contains("--data-dir"), "{code} {words}");
    let (code, words) = refused(&["--listen", "here"]);
    assert!(code == 2 && words.contains("--listen"), "{code} {words}");
    let (code, _) = refused(&["--listen", "127.0.0.1:0", "--exec", "dance; info"]);
    assert_eq!(code, 2);
}

#[test]
fn headless_it_serves_until_it_is_told_to_stop() {
    let dir = TempDir::new().unwrap();
    let mut child = program(dir.path())
        .args(["--headless", "--log-format", "json"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let serves = log.find_map(|line| {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        line["address"].as_str().map(str::to_owned)
    });
    let port = serves.unwrap().rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_pipe_is_a_script_too() {
    let dir = TempDir::new().unwrap();
    let mut child = program(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"agents\nhelp\nexit\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let screen = text(&output.stdout);
    assert!(screen.contains("No agents are registered.") && screen.contains("Fingerprint: "), "{screen}");
    for command in ["agents", "info", "status", "exit"] {
        assert!(screen.contains(command), "{screen}");
    }
}

/// Ends with the test, however that ends.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn commands_run_beside_a_controller_that_serves() {
    let dir = TempDir::new().unwrap();
    let serving = program(dir.path())
        .args(["--headless", "--enrolment", "token"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut serving = Served(serving);
    let mut log = BufReader::new(serving.0.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("controller serves")));
    let run = |arguments: &[&str]| program(dir.path()).args(arguments).output().unwrap();
    let token = run(&["token", "helper_agent_001", "--life", "1h", "--json"]);
    assert!(token.status.success(), "{token:?}");
    let made = &objects(&token)[0];
    assert_eq!((&made["command"], &made["ok"]), (&"token".into(), &true.into()));
    assert!(made["result"]["token"].as_str().unwrap().starts_with("a2a-join-1.helper_agent_001."));
    let shown = run(&["tokens"]);
    assert!(
        text(&shown.stdout).contains("helper_agent_001") && text(&shown.stdout).contains("open"),
        "{shown:?}"
    );
    let info = run(&["info"]);
    assert_eq!(
        text(&info.stdout)
            .split_whitespace()
            .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
            .count(),
        24
    );
    let unknown = run(&["revoke", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(unknown.stdout.is_empty() && text(&unknown.stderr).contains("there is no agent nobody"));
    let unknown = run(&["--json", "revoke", "nobody"]);
    assert_eq!(
        (unknown.status.code(), &objects(&unknown)[0]["error"]["code"]),
        (Some(1), &"unknown_agent".into())
    );
    for arguments in [&["y"][..], &["wait", "enrolled"], &["exit"], &["dance"], &["token"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert!(run(&["audit", "verify"]).status.success());
    let killed = Command::new("kill").arg(serving.0.id().to_string()).status().unwrap();
    assert!(killed.success() && serving.0.wait().unwrap().success());
}

#[test]
fn an_audit_that_was_cut_is_found_out_with_1() {
    let dir = TempDir::new().unwrap();
    let run = |arguments: &[&str]| program(dir.path()).args(arguments).output().unwrap();
    assert!(run(&["--exec", "info"]).status.success(), "makes the controller");
    assert!(run(&["token", "one"]).status.success());
    let database = dir.path().join("data/controller/controller.db");
    let before = fs::read(&database).unwrap();
    assert!(run(&["token", "two"]).status.success());
    assert!(run(&["audit", "verify"]).status.success());
    // The whole database set back: nothing in it contradicts itself.
    fs::write(&database, before).unwrap();
    let verdict = run(&["audit", "verify"]);
    assert_eq!(verdict.status.code(), Some(1));
    assert!(text(&verdict.stderr).contains("entry 3 and all after it are missing"), "{verdict:?}");
}

#[test]
fn a_script_lets_agents_in_and_sees_every_event() {
    let dir = TempDir::new().unwrap();
    let script = "approvals; wait enrolment --timeout 1s";
    let output =
        program(dir.path()).args(["--json", "--enrolment", "approve", "--exec", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let objects = objects(&output);
    assert_eq!(objects[1]["result"], Value::Array(Vec::new()));
    assert_eq!(objects[2]["error"]["code"], "timeout");
}
