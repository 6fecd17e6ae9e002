//! What people use instead: reqwest as the client, Noise and Olm as the protocol.
//!
//! Noise and Olm are measured as libraries alone, in one thread: no network, no consent, no certificates, no replies. They
//! show what a set-up and a message cost elsewhere, and are no bar.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use snow::params::NoiseParams;
use snow::{Builder, HandshakeState};
use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig};

use super::Effort;
use super::line::{Line, send_for};
use crate::failure::{Failure, OrFail};
use crate::stats::{as_f64, median};
use crate::world::World;

/// Another client against the floor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) senders: usize,
    /// Messages/s of 1 KiB with bare hyper.
    pub(crate) floor: f64,
    /// With reqwest.
    pub(crate) reqwest: f64,
    /// The median over the rounds.
    pub(crate) ratio: f64,
}

/// Another protocol's library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// Processor time of both sides for a session, in microseconds.
    pub(crate) setup_us: f64,
    /// Of both sides for a message of 1 KiB.
    pub(crate) message_us: f64,
}

/// reqwest, with as many connections as there are senders.
pub(crate) async fn client(world: &mut World, senders: usize, effort: Effort) -> Result<Client, Failure> {
    let (mut floor, mut other) = (Vec::new(), Vec::new());
    for _ in 0..senders {
        floor.push(Line::floor(world).await?);
        other.push(Line::reqwest(world)?);
    }
    let (mut floors, mut others) = (Vec::new(), Vec::new());
    for round in 0..=effort.rounds {
        let (lines, of_floor) = send_for(floor, SIZE, effort.slice / 2).await?;
        floor = lines;
        let (lines, of_other) = send_for(other, SIZE, effort.slice / 2).await?;
        other = lines;
        world.sent_to_floor += of_floor.texts + of_other.texts;
        world.check().await?;
        // The first round warms up and is not counted.
        if round > 0 {
            floors.push(as_f64(of_floor.texts) / of_floor.took.as_secs_f64());
            others.push(as_f64(of_other.texts) / of_other.took.as_secs_f64());
        }
    }
    let ratios: Vec<_> = others.iter().zip(&floors).map(|(other, floor)| other / floor).collect();
    Ok(Client { senders, floor: median(&floors), reqwest: median(&others), ratio: median(&ratios) })
}

/// Noise with two ciphers, and Olm.
pub(crate) fn libraries() -> Result<Vec<Library>, Failure> {
    let mut all = Vec::new();
    for pattern in ["Noise_XX_25519_AESGCM_SHA256", "Noise_XX_25519_ChaChaPoly_BLAKE2s"] {
        all.push(noise(pattern).or_fail(|| "Noise".into())?);
    }
    all.push(olm()?);
    Ok(all)
}

fn noise(pattern: &str) -> Result<Library, snow::Error> {
    let parameters: NoiseParams = pattern.parse()?;
    let keys = [(); 2].map(|()| Builder::new(parameters.clone()).generate_keypair());
    let [ours, theirs] = keys;
    let (ours, theirs) = (ours?.private, theirs?.private);
    let mut setups = Vec::new();
    let (mut sealed, mut opened) = (vec![0; 2 * SIZE], vec![0; 2 * SIZE]);
    let mut messages = Vec::new();
    for _ in 0..SETUPS {
        let began = Instant::now();
        let mut initiator = side(&parameters, &ours)?.build_initiator()?;
        let mut responder = side(&parameters, &theirs)?.build_responder()?;
        say(&mut initiator, &mut responder, &mut sealed, &mut opened)?;
        say(&mut responder, &mut initiator, &mut sealed, &mut opened)?;
        say(&mut initiator, &mut responder, &mut sealed, &mut opened)?;
        let (mut sender, mut receiver) = (initiator.into_transport_mode()?, responder.into_transport_mode()?);
        setups.push(began.elapsed().as_secs_f64() * 1e6);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            let length = sender.write_message(&[b'a'; SIZE], &mut sealed)?;
            receiver.read_message(&sealed[..length], black_box(&mut opened))?;
        }
        messages.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES));
    }
    Ok(Library { name: pattern.to_owned(), setup_us: median(&setups), message_us: median(&messages) })
}

fn side<'a>(parameters: &NoiseParams, key: &'a [u8]) -> Result<Builder<'a>, snow::Error> {
    Builder::new(parameters.clone()).local_private_key(key)
}

fn say(
    from: &mut HandshakeState,
    to: &mut HandshakeState,
    sealed: &mut [u8],
    opened: &mut [u8],
) -> Result<(), snow::Error> {
    let length = from.write_message(&[], sealed)?;
    to.read_message(&sealed[..length], opened).map(drop)
}

fn olm() -> Result<Library, Failure> {
    let (mut setups, mut messages) = (Vec::new(), Vec::new());
    for _ in 0..SETUPS {
        let (sender, mut receiver) = (Account::new(), Account::new());
        let began = Instant::now();
        let (mut outbound, mut inbound) = olm_session(&sender, &mut receiver)?;
        setups.push(began.elapsed().as_secs_f64() * 1e6);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            let sealed = outbound.encrypt([b'a'; SIZE]).or_fail(|| "Olm".into())?;
            black_box(inbound.decrypt(&sealed).or_fail(|| "Olm".into())?);
        }
        messages.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(MESSAGES));
    }
    let name = "Olm (3DH, double ratchet)".to_owned();
    Ok(Library { name, setup_us: median(&setups), message_us: median(&messages) })
}

/// With a fresh one-time key, and the first message, which the receiver needs for its side.
fn olm_session(sender: &Account, receiver: &mut Account) -> Result<(Session, Session), Failure> {
    receiver.generate_one_time_keys(1);
    let one_time = receiver.one_time_keys().into_values().next();
    let one_time = one_time.ok_or_else(|| Failure::new("Olm has made no key".into()))?;
    receiver.mark_keys_as_published();
    let config = SessionConfig::version_1();
    let outbound = sender.create_outbound_session(config, receiver.curve25519_key(), one_time);
    let mut outbound = outbound.or_fail(|| "Olm".into())?;
    let OlmMessage::PreKey(first) = outbound.encrypt("").or_fail(|| "Olm".into())? else {
        return Err(Failure::new("Olm begins with another message".into()));
    };
    let inbound = receiver.create_inbound_session(config, sender.curve25519_key(), &first);
    Ok((outbound, inbound.or_fail(|| "Olm".into())?.session))
}

const SIZE: usize = 1024;
const SETUPS: usize = 30;
const MESSAGES: u16 = 200;
