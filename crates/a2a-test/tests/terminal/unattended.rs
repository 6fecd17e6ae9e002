//! Commands from a pipe and from `--exec`, JSON, exit codes, headless service and signals.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::place::Place;
use crate::program::{Ended, command, on_port, run, signal};

#[test]
fn exec_runs_commands_and_prints_a_json_object_for_each() {
    let place = Place::new();
    let (mut worker, address) = place.agent("worker");
    worker.sees("✓ Certificate stored");
    let mut command = place.command("traveller");
    command.arg("--json").arg("--exec").arg(format!(
        "setup; request {address} worker_agent_001; keyexchange worker_agent_001; send count one two three; wait message; sessions; close 1"
    ));
    let ended = run(command, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = ended.json();
    let results: Vec<_> = lines.iter().filter(|line| line.get("command").is_some()).collect();
    let commands: Vec<_> = results.iter().map(|line| line["command"].as_str().unwrap()).collect();
    assert_eq!(commands, ["setup", "request", "keyexchange", "send", "wait", "sessions", "close"]);
    assert!(results.iter().all(|line| line["ok"] == true));
    assert_eq!(results[4]["result"]["text"], "3 words");
    let id = &results[1]["result"]["session_id"];
    for later in [&results[2]["result"], &results[5]["result"][0], &results[6]["result"]] {
        assert_eq!(later["session_id"], *id);
    }
    let is_event = |line: &&Value| line.get("event").is_some();
    assert_eq!(lines.iter().filter(is_event).count() + results.len(), lines.len(), "nothing else is printed");
    worker.sees("[SESSION] traveller_agent_001 closed the session. Keys cleared.");
}

#[test]
fn the_first_failure_ends_a_script() {
    let place = Place::new();
    let script = "setup\ninfo\nrequest https://localhost:1 helper_agent_001\nstatus\n";
    let mut command = place.command("traveller");
    command.arg("--json");
    let ended = run(command, script);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let last = ended.json().pop().unwrap();
    assert_eq!((&last["command"], &last["ok"]), (&"request".into(), &false.into()));
    assert_eq!(last["error"]["code"], "peer_unreachable");
    for field in ["message", "next"] {
        assert!(!last["error"][field].as_str().unwrap().is_empty());
    }
}

#[test]
fn a_pipe_reads_like_a_terminal() {
    let place = Place::new();
    let ended = run(place.command("traveller"), "setup\n# a remark\n\nsessions\n");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().skip(1).collect();
    let set_up = ["✓ Trust established", "✓ Registration successful", "✓ Certificate stored"];
    assert_eq!(lines, [&set_up[..], &["No active sessions."]].concat());
    assert!(!ended.stdout.contains('\x1b'), "no colour in a pipe");
}

#[test]
fn exit_codes_tell_failure_from_misuse() {
    let place = Place::new();
    for (options, code) in [
        (&["--exec", "info"][..], 1),
        (&["--exec", "nonsense"], 2),
        (&["--exec", "send 'half"], 2),
        (&["--exec", "wait message --timeout 10ms"], 1),
        (&["--nonsense"], 2),
        (&["--headless"], 2),
        (&["--headless", "--accept", "ask"], 2),
        (&["--headless", "--accept", "all", "--exec", "status"], 2),
        (&["--exec", "exit; nonsense"], 0),
        (&["--help"], 0),
    ] {
        let mut command = place.command("helper");
        command.args(options);
        let ended = run(command, "");
        assert_eq!(ended.code, Some(code), "{options:?}: {ended:?}");
    }
}

#[test]
fn headless_without_anybody_to_ask_is_refused_with_the_way_out() {
    let place = Place::new();
    let mut command = place.command("helper");
    command.args(["--headless", "--accept", "ask"]);
    let Ended { code, stderr, .. } = run(command, "");
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--accept all"), "{stderr}");
}

#[test]
fn a_headless_agent_enrols_accepts_and_ends_in_good_order() {
    let place = Place::new();
    let mut command = place.command("helper");
    command.args(["--headless", "--accept", "traveller_agent_001", "--log-format", "json"]);
    let mut helper =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(helper.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    let mut logged = |what: &str| {
        let line = log.find(|line| line.contains(what)).unwrap_or_else(|| panic!("never logged: {what}"));
        serde_json::from_str::<Value>(&line).unwrap()
    };
    let port = logged("serving")["listen"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    logged("Certificate stored");

    let mut command = place.command("traveller");
    command.arg("--exec").arg(format!(
        "setup; request https://localhost:{port} helper_agent_001; keyexchange helper_agent_001; send good night"
    ));
    let ended = run(command, "");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let message = logged("\"message\"");
    assert!(!message.to_string().contains("good night"), "what is said is not logged: {message}");

    signal(&helper, Signal::TERM);
    assert_eq!(helper.wait().unwrap().code(), Some(0));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for program in ["controller", "traveller", "helper", "worker"] {
        let dir = tempfile::tempdir().unwrap();
        let Ended { code, stderr, .. } = run(on_port(command(program, dir.path()), &port), "status");
        assert_eq!(code, Some(1), "{program}: {stderr}");
        assert!(stderr.contains(&format!("port {port} on 127.0.0.1 is in use")), "{program}: {stderr}");
        assert!(stderr.contains("--listen"), "{program}: {stderr}");
    }
}

#[test]
fn a_data_directory_has_one_process() {
    let place = Place::new();
    let (_helper, _) = place.agent("helper");
    let Ended { code, stderr, .. } = run(place.command("helper"), "status");
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("helper is in use by another process"), "{stderr}");
    assert!(stderr.contains("--data-dir"), "{stderr}");
}
