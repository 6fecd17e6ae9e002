//! What a person is shown.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;

use a2a_core::handshake::messages::Response;
use a2a_core::session::FrameType;
use a2a_node::clock::Clock;
use a2a_test::arena::{AgentProcess, Arena, file_holds};
use a2a_test::mallory::{Mallory, REQUEST, SEND, Target};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::agent_and_mallory;

/// What moves the cursor, turns the line round, hides, or looks like something else.
const DECEITS: [&str; 20] = [
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\r[SESSION] accepted",
    "\u{8}\u{8}",
    "\u{0}",
    "\u{7f}",
    "\u{85}",
    "\u{202e}gnp.exe",
    "\u{2066}x\u{2069}",
    "\u{200f}",
    "\u{61c}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{2028}",
    "\u{ad}",
    "\u{e0041}",
    "\u{3164}",
    "\u{fe0f}",
];

/// What is no id, besides one with a deceit in it.
const NO_IDS: [&str; 3] = ["Helper", "helper.", "h\u{435}lper"];

/// The screen of a person at the helper, who is asked about each request.
struct Person {
    screen: PathBuf,
    keyboard: ChildStdin,
    _running: Child,
}

impl Person {
    /// Sits down at the helper, which has enrolled and listens where it did.
    async fn at(arena: &Arena, helper: &mut AgentProcess) -> Self {
        let socket = helper.socket.to_string();
        helper.kill().await;
        let screen = arena.world.path().join("screen");
        let mut command = arena.command("helper", &["--accept", "ask", "--listen", &socket]);
        command.stdin(Stdio::piped()).stdout(File::create(&screen).unwrap()).stderr(Stdio::null());
        let mut running = command.kill_on_drop(true).spawn().unwrap();
        let person = Self { screen, keyboard: running.stdin.take().unwrap(), _running: running };
        person.sees("isten").await;
        arena.next_second().await;
        person
    }

    async fn sees(&self, text: &str) {
        file_holds(&self.screen, text).await;
    }

    /// Waits for the question with this text, and answers it.
    async fn answers(&mut self, text: &str, answer: &str) {
        self.sees(text).await;
        self.keyboard.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

/// In messages, and in the purpose and the name that the question about a request shows, it is written out.
#[tokio::test]
async fn t18_text_that_deceives_the_eye_is_written_out() {
    let arena = Arena::start().await;
    let mut helper = arena.agent("helper", &[]).await;
    let mut person = Person::at(&arena, &mut helper).await;
    let mallory = Mallory::join(&arena.world).await;
    let connecting = mallory.connect(&arena.world, &helper);
    let (mut session, ()) = tokio::join!(connecting, person.answers("Purpose: harm", "y"));
    let verified = helper.verified(&arena.world);
    for (number, deceit) in DECEITS.into_iter().enumerate() {
        let text = format!("{deceit}\nmessage {number}.");
        let frame = session.sealer.seal(FrameType::Text, text.into_bytes(), Clock::System.now()).unwrap();
        assert_eq!(mallory.post(&helper, SEND, &frame).await.status, 200);
        person.sees(&format!("message {number}.")).await;

        let request = mallory.request_with(&verified, |request| {
            request.purpose = format!("{deceit}purpose {number}.").parse().unwrap();
            request.certificate.agent_card.name = format!("{deceit}name {number}.").parse().unwrap();
            arena.world.certify_anew(&mut request.certificate, mallory.credential.key().as_ref());
        });
        let purpose = format!("purpose {number}.");
        let asking = mallory.post(&helper, REQUEST, &request);
        let (reply, ()) = tokio::join!(asking, person.answers(&purpose, "n"));
        assert!(matches!(reply.read_as(), Response::Rejected(_)), "{reply:?}");
        person.sees(&format!("name {number}.")).await;
    }
    let shown = std::fs::read_to_string(&person.screen).unwrap();
    let deceives = |char: &char| {
        *char != '\n' && DECEITS.concat().contains(*char) && !char.is_ascii_graphic() && *char != ' '
    };
    assert_eq!(shown.chars().find(deceives), None, "{shown}");
    for written in ["Purpose: \\u{1b}[2Jpurpose 0.", "\\u{1b}[2Jname 0.", "> \\u{1b}[2J\n    message 0."] {
        assert!(shown.contains(written), "{written}: {shown}");
    }
}

/// An id has so few characters that no two look alike.
#[tokio::test]
async fn t18_an_id_that_deceives_the_eye_is_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let good = mallory.request(&helper.verified(&arena.world)).message;
    let in_good = DECEITS.map(|deceit| format!("{}{deceit}", good.agent_id));
    for id in NO_IDS.map(str::to_owned).into_iter().chain(in_good).chain(["x".repeat(64)]) {
        let mut request = serde_json::to_value(&good).unwrap();
        request["agent_id"] = json!(id);
        assert_eq!(mallory.post(&helper, REQUEST, &request).await.status, 400, "{id}");
    }
    assert_eq!(mallory.post(&helper, REQUEST, &good).await.status, 200);
}
