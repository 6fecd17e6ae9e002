//! T17: no signature stands in another's place, and nothing that is signed can be shown as something else.

use a2a_core::certificate::{
    AgentCertificate, CertificateError, ControllerInfo, EnrolmentError, EnrolmentRequest, RenewalRequest,
    RevocationContent, RevocationError, RevocationList, Succession, SuccessionError,
};
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::signature::{self, Signature, SignatureLabel, SigningKey};
use a2a_core::wire::{self, Hex, MAX_HANDSHAKE_BODY};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::{DAY, NOW, worlds};

#[test]
fn a_signature_verifies_under_its_own_label_alone() {
    for world in worlds() {
        for made_for in SignatureLabel::ALL {
            let signature = signature::sign(&*world.agent, made_for, b"message").unwrap();
            for shown_as in SignatureLabel::ALL {
                let verdict = signature::verify(
                    world.provider,
                    world.agent.public_key(),
                    shown_as,
                    b"message",
                    &signature,
                );
                let expected = if made_for == shown_as { Ok(()) } else { Err(CryptoError::BadSignature) };
                assert_eq!(verdict, expected, "{made_for:?} as {shown_as:?}");
            }
        }
    }
}

/// What `label`'s own place accepts: this and nothing else.
fn only<T, E: PartialEq + std::fmt::Debug>(
    own: SignatureLabel,
    refused: &E,
    verify: impl Fn(SignatureLabel) -> Result<T, E>,
) {
    for label in SignatureLabel::ALL {
        match verify(label) {
            Ok(_) => assert_eq!(label, own),
            Err(error) => assert_eq!((&error, label != own), (refused, true), "{label:?}"),
        }
    }
}

fn sign(key: &dyn SigningKey, label: SignatureLabel, message: &[u8]) -> Signature {
    signature::sign(key, label, message).unwrap()
}

#[test]
fn what_the_controller_signs_for_another_use_is_refused() {
    for world in worlds() {
        let (provider, key, anchor) = (world.provider, &*world.controller, world.anchor());
        let info = world.authority().info("root".into(), Vec::new()).unwrap();
        let message = wire::canonical_json_without(&info, &["signature"]).unwrap();
        only(SignatureLabel::ControllerInfo, &CertificateError::ControllerSignature, |label| {
            ControllerInfo { signature: sign(key, label, &message), ..info.clone() }.verify(provider)
        });
        let list = world.list(RevocationContent::default());
        let message = wire::canonical_json_without(&list, &["signature"]).unwrap();
        only(SignatureLabel::RevocationList, &RevocationError::Signature, |label| {
            RevocationList { signature: sign(key, label, &message), ..list.clone() }
                .verify(provider, &anchor, NOW)
        });
        let step = world.authority().succession(&*world.impostor, NOW.saturating_add(DAY), NOW).unwrap();
        let message = wire::canonical_json_without(&step, &["former_signature", "signature"]).unwrap();
        let follow = |step| anchor.follow(provider, &[step], world.impostor.public_key().key_id(), NOW);
        let refused = SuccessionError::Signature(CryptoError::BadSignature);
        only(SignatureLabel::Succession, &refused, |label| {
            follow(Succession { former_signature: sign(key, label, &message), ..step.clone() })
        });
        only(SignatureLabel::Successor, &refused, |label| {
            follow(Succession { signature: sign(&*world.impostor, label, &message), ..step.clone() })
        });
    }
}

#[test]
fn what_an_agent_signs_for_another_use_is_refused() {
    for world in worlds() {
        let request = world.request(world.card());
        let message = request.agent_card.enrolment_message(&request.nonce).unwrap();
        only(SignatureLabel::Enrolment, &EnrolmentError::Possession, |label| {
            let agent_signature = sign(&*world.agent, label, &message);
            EnrolmentRequest { agent_signature, ..request.clone() }.verify_possession(world.provider)
        });
        let (former, nonce) = (Some(&*world.other as &dyn signature::Signer), Hex::from_bytes([9; 32]));
        let renewal = RenewalRequest::new(world.card(), nonce, "csr".into(), &*world.agent, former).unwrap();
        only(SignatureLabel::Rekey, &EnrolmentError::Continuity, |label| {
            let former_signature = Some(sign(&*world.other, label, &message));
            RenewalRequest { former_signature, ..renewal.clone() }
                .verify_continuity(world.provider, world.other.public_key())
        });
    }
}

/// Everything that is signed with a key, in everything else's place. The one pair that is left out is meant: a renewal
/// with the known key says just what an enrolment says.
#[test]
fn no_artefact_reads_as_another() {
    type Read = fn(&[u8]) -> bool;
    let world = worlds().next().unwrap();
    let request = world.request(world.card());
    let former = Some(&*world.other as &dyn signature::Signer);
    let nonce = Hex::from_bytes([9; 32]);
    let rekey = RenewalRequest::new(world.card(), nonce, "csr".into(), &*world.agent, former).unwrap();
    let step = world.authority().succession(&*world.impostor, NOW.saturating_add(DAY), NOW).unwrap();
    let all = [
        ("card", json(&request.agent_card)),
        ("certificate", json(&world.certificate())),
        ("info", json(&world.authority().info("root".into(), vec![step.clone()]).unwrap())),
        ("enrolment", json(&request)),
        ("renewal", json(&rekey)),
        ("list", json(&world.list(RevocationContent::default()))),
        ("succession", json(&step)),
    ];
    let readers: [(&str, Read); 6] = [
        ("certificate", reads::<AgentCertificate>),
        ("info", reads::<ControllerInfo>),
        ("enrolment", reads::<EnrolmentRequest>),
        ("renewal", reads::<RenewalRequest>),
        ("list", reads::<RevocationList>),
        ("succession", reads::<Succession>),
    ];
    for (name, body) in &all {
        for (place, reads) in readers {
            let is_meant = *name == place || (*name, place) == ("enrolment", "renewal");
            assert_eq!(reads(body), is_meant, "{name} as {place}");
        }
    }
}

/// With the label right and the message another artefact's: what a careless signer could be brought to sign.
#[test]
fn the_genuine_signature_of_another_artefact_is_refused() {
    for world in worlds() {
        let (provider, anchor) = (world.provider, world.anchor());
        let certificate = world.certificate();
        let info = world.authority().info("root".into(), Vec::new()).unwrap();
        let list = world.list(RevocationContent::default());
        let step = world.authority().succession(&*world.impostor, NOW.saturating_add(DAY), NOW).unwrap();
        let of_controller =
            [&certificate.controller_signature, &info.signature, &list.signature, &step.former_signature];
        for (index, signature) in of_controller.into_iter().enumerate() {
            let signature = signature.clone();
            let verdicts = [
                world
                    .verify(
                        &AgentCertificate { controller_signature: signature.clone(), ..certificate.clone() },
                        NOW,
                    )
                    .is_ok(),
                ControllerInfo { signature: signature.clone(), ..info.clone() }.verify(provider).is_ok(),
                RevocationList { signature: signature.clone(), ..list.clone() }
                    .verify(provider, &anchor, NOW)
                    .is_ok(),
                anchor
                    .follow(
                        provider,
                        &[Succession { former_signature: signature, ..step.clone() }],
                        step.key.key_id(),
                        NOW,
                    )
                    .is_ok(),
            ];
            assert_eq!(verdicts, std::array::from_fn(|place| place == index));
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

fn reads<T: Serialize + DeserializeOwned>(body: &[u8]) -> bool {
    wire::from_json::<T>(body, MAX_HANDSHAKE_BODY).is_ok()
}
