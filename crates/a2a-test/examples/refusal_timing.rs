//! How long an agent takes to refuse, by what was wrong: medians that differ by less than a millisecond. They are not made equal;
//! whoever measures for long enough can tell them apart.
//!
//! Run by `scripts/evidence/refusal-timing`, which builds the programs first; `A2A_BIN_DIR` is where they are. Takes the number
//! of rounds (200).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::KeyExchangeReply;
use a2a_core::handshake::transcript::Transcript;
use a2a_core::session::{Frame, FrameType, Session};
use a2a_node::clock::Clock;
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST, SEND, Target, forged_finish, forged_init, start};
use a2a_test::raw::Raw;
use serde::Serialize;

/// What is wrong, in which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Certificate,
    Recipient,
    RequestSignature,
    InitSignature,
    Share,
    FinishSignature,
    Confirm,
    Tag,
    Number,
}

const FLAWS: [(Flaw, &str); 9] = [
    (Flaw::Certificate, "M1, certificate altered"),
    (Flaw::Recipient, "M1, signed under another address"),
    (Flaw::RequestSignature, "M1, signature for another use"),
    (Flaw::InitSignature, "M3, signature forged"),
    (Flaw::Share, "M3, no share"),
    (Flaw::FinishSignature, "M5, signature forged"),
    (Flaw::Confirm, "M5, confirmation forged"),
    (Flaw::Tag, "frame, tag forged"),
    (Flaw::Number, "frame, of another epoch"),
];

#[tokio::main]
async fn main() {
    let rounds = std::env::args().nth(1).map_or(200, |rounds| rounds.parse().expect("a number of rounds"));
    let arena = Arena::start().await;
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    let mallory = Mallory::join(&arena.world).await;
    let mut attempt = Attempt { arena, helper, mallory, session: None };
    let mut took = FLAWS.map(|_| Vec::with_capacity(rounds));
    // Causes take turns, so that whatever else the machine does hits all of them.
    for round in 0..=rounds {
        for ((flaw, _), took) in FLAWS.iter().zip(&mut took) {
            let time = attempt.of(*flaw).await;
            if round > 0 {
                took.push(time);
            }
        }
    }
    let medians = took.map(|mut took| {
        took.sort();
        took[took.len() / 2]
    });
    for ((_, name), median) in FLAWS.iter().zip(medians) {
        println!("{name:34} {:5} µs", median.as_micros());
    }
    let spread = medians.iter().max().unwrap().abs_diff(*medians.iter().min().unwrap());
    println!("{:34} {:5} µs", "medians apart by at most", spread.as_micros());
    assert!(spread < Duration::from_millis(1), "some refusals take longer than others");
}

struct Attempt {
    arena: Arena,
    helper: AgentProcess,
    mallory: Mallory,
    session: Option<Session>,
}

impl Attempt {
    async fn of(&mut self, flaw: Flaw) -> Duration {
        match flaw {
            Flaw::Certificate | Flaw::Recipient | Flaw::RequestSignature => self.request(flaw).await,
            Flaw::Tag | Flaw::Number => self.frame(flaw).await,
            _ => self.exchange(flaw).await,
        }
    }

    async fn request(&self, flaw: Flaw) -> Duration {
        let peer = self.helper.verified(&self.arena.world);
        let mut request = self.mallory.request_with(&peer, |request| match flaw {
            Flaw::Certificate => request.certificate.agent_card.name = "Another".parse().unwrap(),
            Flaw::Recipient => request.address = "https://localhost:1".parse().unwrap(),
            _ => {}
        });
        if flaw == Flaw::RequestSignature {
            request.signature = self.mallory.sign(SignatureLabel::Accept, &Transcript::new());
        }
        self.refused(REQUEST, &request, "handshake_failed").await
    }

    async fn exchange(&self, flaw: Flaw) -> Duration {
        let agreed = self.mallory.agree(&self.arena.world, &self.helper).await;
        let (transcript, step) = (agreed.transcript(), start(agreed.accepted));
        let init = step.message;
        if flaw == Flaw::Share {
            let mut bad = init;
            bad.dh_public_key = vec![1].into();
            self.mallory.sign_init(&transcript, &mut bad);
            return self.refused(KEY_EXCHANGE, &bad, "handshake_failed").await;
        }
        let mut took = Duration::ZERO;
        if flaw == Flaw::InitSignature {
            took = self.refused(KEY_EXCHANGE, &forged_init(&init), "handshake_failed").await;
        }
        let reply = self.mallory.post(&self.helper, KEY_EXCHANGE, &init).await;
        let mut finish = step.next.finish(&reply.read_as::<KeyExchangeReply>()).unwrap().message;
        if flaw == Flaw::FinishSignature {
            took = self.refused(KEY_EXCHANGE, &forged_finish(&finish), "handshake_failed").await;
        }
        // Well signed, it ends the session: no more than four may wait for their keys.
        finish.confirm = vec![0; 32].into();
        let ended = self.refused(KEY_EXCHANGE, &finish, "handshake_failed").await;
        if flaw == Flaw::Confirm { ended } else { took }
    }

    async fn frame(&mut self, flaw: Flaw) -> Duration {
        if self.session.is_none() {
            self.session = Some(self.mallory.connect(&self.arena.world, &self.helper).await);
        }
        let sealer = &mut self.session.as_mut().unwrap().sealer;
        let good = sealer.seal(FrameType::Text, b"good".to_vec(), Clock::System.now()).unwrap();
        let mut bytes = good.ciphertext.as_bytes().to_vec();
        let bad = if flaw == Flaw::Tag {
            bytes[0] ^= 1;
            Frame { ciphertext: bytes.into(), ..good.clone() }
        } else {
            Frame { epoch: 7, ..good.clone() }
        };
        let time = self.refused(SEND, &bad, "bad_frame").await;
        assert_eq!(self.mallory.post(&self.helper, SEND, &good).await.status, 200);
        time
    }

    async fn refused(&self, path: &str, body: &impl Serialize, code: &str) -> Duration {
        // Who has sent five bad requests is told nothing for a while: the attacker has an address for each.
        let raw = if path == REQUEST { Raw::from_elsewhere() } else { self.mallory.raw.clone() };
        raw.get(self.helper.socket, "/live").await;
        let began = Instant::now();
        let reply = raw.post(self.helper.socket, path, body).await;
        let took = began.elapsed();
        assert_eq!(reply.refusal(), (401, code.into()));
        took
    }
}
