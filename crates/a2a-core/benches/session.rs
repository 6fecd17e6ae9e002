//! What the protocol costs: both sides of a set-up by provider and suite, and a frame by provider and size.
//!
//! The groups are `handshake-PROVIDER-SUITE`, with what each side does between its messages (ephemeral keys made in
//! advance, the other's certificate known) and the making of its keys; and `frame-seal-PROVIDER` and
//! `frame-open-PROVIDER` by size in bytes. Reading and writing JSON is not part of it.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::{Duration, Instant};

use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::handshake::initiator::{self, Answer};
use a2a_core::handshake::messages::DecidedBy;
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::session::{FrameType, RekeyPolicy, Session};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use world::{NOW, PATIENCE, Pair, helper, sent, traveller, verifier};

fn handshakes(criterion: &mut Criterion) {
    for provider in available() {
        for suite in Suite::ALL {
            let pair = Pair::new(traveller().credential(*provider), helper().credential(*provider), suite);
            let mut group = criterion.benchmark_group(format!("handshake-{}-{suite}", provider.name()));
            group.bench_function("initiator", |b| {
                b.iter_custom(|times| (0..times).map(|_| set_up(&pair).initiators).sum());
            });
            group.bench_function("responder", |b| {
                b.iter_custom(|times| (0..times).map(|_| set_up(&pair).responders).sum());
            });
            group.bench_function("initiator_keys", |b| {
                b.iter(|| InitiatorKeys::generate(suite, *provider).unwrap());
            });
            group.bench_function("responder_keys", |b| {
                b.iter(|| ResponderKeys::generate(suite, *provider).unwrap());
            });
            group.finish();
        }
    }
}

struct SetUp {
    initiators: Duration,
    responders: Duration,
    sessions: (Session, Session),
}

/// A whole set-up, and how long each side has worked for it.
fn set_up(pair: &Pair) -> SetUp {
    let suite = pair.offer[0];
    let initiators_keys = InitiatorKeys::generate(suite, pair.initiator.provider()).unwrap();
    let responders_keys = ResponderKeys::generate(suite, pair.responder.provider()).unwrap();
    let (initiator, responder) = (pair.initiator.clone(), pair.responder.clone());
    let (peer, wish, policy) = (responder.certificate().clone(), pair.wish(), RekeyPolicy::default());
    let (mut initiators, mut responders) = (Duration::ZERO, Duration::ZERO);

    let request = timed(&mut initiators, || initiator::request(initiator, peer, wish, NOW).unwrap());
    let m1 = sent(&request.message);
    let consent = timed(&mut responders, || {
        let pending = PendingRequest::verify(responder, verifier(), m1, NOW).unwrap();
        pending.accept(DecidedBy::Operator, PATIENCE, NOW).unwrap()
    });
    let m2 = sent(&consent.message);
    let init = timed(&mut initiators, || {
        let Answer::Accepted(accepted) = request.next.receive(&m2, verifier(), NOW).unwrap() else {
            panic!("rejected")
        };
        accepted.start(initiators_keys).unwrap()
    });
    let m3 = sent(&init.message);
    let reply = timed(&mut responders, || {
        let proof = consent.next.authenticate(&m3).unwrap();
        consent.next.reply(proof, responders_keys).unwrap()
    });
    let m4 = sent(&reply.message);
    let finish = timed(&mut initiators, || init.next.finish(&m4).unwrap());
    let m5 = sent(&finish.message);
    let opened = timed(&mut responders, || {
        let proof = reply.next.authenticate(&m5).unwrap();
        reply.next.establish(proof, policy, NOW).unwrap()
    });
    let m6 = sent(&opened.message);
    let session = timed(&mut initiators, || finish.next.establish(m6, policy, NOW).unwrap());
    SetUp { initiators, responders, sessions: (session, opened.next) }
}

fn timed<T>(total: &mut Duration, step: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = step();
    *total += began.elapsed();
    done
}

fn frames(criterion: &mut Criterion) {
    for provider in available() {
        for (name, opens) in [("seal", false), ("open", true)] {
            let mut group = criterion.benchmark_group(format!("frame-{name}-{}", provider.name()));
            for size in SIZES {
                group.throughput(Throughput::Bytes(size as u64));
                let (mut sending, mut receiving) = sessions_under(*provider);
                group.bench_function(size.to_string(), |b| {
                    let payload = || vec![b'a'; size];
                    if opens {
                        b.iter_batched(
                            || sending.sealer.seal(FrameType::Text, payload(), NOW).unwrap(),
                            |frame| receiving.opener.open(frame, NOW).unwrap(),
                            BatchSize::LargeInput,
                        );
                    } else {
                        b.iter_batched(
                            payload,
                            |payload| sending.sealer.seal(FrameType::Text, payload, NOW).unwrap(),
                            BatchSize::LargeInput,
                        );
                    }
                });
            }
            group.finish();
        }
    }
}

fn sessions_under(provider: Provider) -> (Session, Session) {
    let suite = Suite::X25519MlKem768;
    let pair = Pair::new(traveller().credential(provider), helper().credential(provider), suite);
    set_up(&pair).sessions
}

const SIZES: [usize; 4] = [16, 1024, 16 * 1024, 1024 * 1024];

criterion_group!(benches, handshakes, frames);
criterion_main!(benches);
