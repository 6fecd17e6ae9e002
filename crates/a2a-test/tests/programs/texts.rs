//! What a person is shown.

use std::process::Stdio;

use a2a_core::session::FrameType;
use a2a_node::clock::Clock;
use a2a_test::arena::{Arena, file_holds};
use a2a_test::mallory::{Mallory, REQUEST, SEND, Target};
use a2a_test::raw::JSON;
use a2a_test::soon;
use serde_json::{Value, json};

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

/// As purposes of requests and as messages they are shown, written out; as ids they are refused.
#[tokio::test]
async fn t18_text_that_deceives_the_eye_is_written_out() {
    let arena = Arena::start().await;
    let mut helper = arena.agent("helper", &["--accept", "all"]).await;
    let socket = helper.socket.to_string();
    helper.kill().await;
    let screen = arena.world.path().join("screen");
    let mut command = arena.command("helper", &["--accept", "all", "--listen", &socket]);
    command.stdin(Stdio::piped()).stdout(std::fs::File::create(&screen).unwrap()).stderr(Stdio::null());
    let _running = command.kill_on_drop(true).spawn().unwrap();
    let sees = async |text: &str| file_holds(&screen, text).await;
    sees("isten").await;
    let mallory = Mallory::join(&arena.world).await;
    let mut session = soon("a session", async {
        loop {
            let request = mallory.request(&helper.verified(&arena.world)).message;
            if mallory.post(&helper, REQUEST, &request).await.status == 200 {
                return mallory.connect(&arena.world, &helper).await;
            }
        }
    })
    .await;
    for (number, deceit) in DECEITS.into_iter().enumerate() {
        let text = format!("{deceit}\nmessage {number}.");
        let frame = session.sealer.seal(FrameType::Text, text.into_bytes(), Clock::System.now()).unwrap();
        assert_eq!(mallory.post(&helper, SEND, &frame).await.status, 200);
        sees(&format!("message {number}.")).await;

        let name = format!("deceiver{number}");
        let other = Mallory::join_as(&arena.world, &name, "mallory").await;
        let request = other.request_with(&helper.verified(&arena.world), |request| {
            request.purpose = format!("{deceit}purpose {number}.").parse().unwrap();
        });
        assert_eq!(other.post(&helper, REQUEST, &request).await.status, 200);
        sees(&name).await;

        let mut request: Value =
            serde_json::to_value(other.request(&helper.verified(&arena.world)).message).unwrap();
        request["agent_id"] = json!(format!("{name}_agent_001{deceit}"));
        let body = serde_json::to_vec(&request).unwrap();
        assert_eq!(other.raw.post_bytes(helper.socket, REQUEST, JSON, body).await.status, 400);
    }
    let shown = std::fs::read_to_string(&screen).unwrap();
    let deceives = |char: &char| {
        *char != '\n' && DECEITS.concat().contains(*char) && !char.is_ascii_graphic() && *char != ' '
    };
    assert_eq!(shown.chars().find(deceives), None, "{shown}");
    assert!(shown.contains("\\u{1b}[2J"), "{shown}");
}
