//! What an agent makes of a certificate.

use std::time::Duration;

use a2a_core::certificate::{AgentCertificate, Authority, CertificateError, StructureFlaw};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::time::ValidityError;
use a2a_core::wire::{self, Hex, WireError};

use crate::world::{DAY, NOW, World, after, before, certify, id, worlds};

#[test]
fn a_good_certificate_is_accepted_by_every_provider() {
    for (issuer, verifier) in worlds().flat_map(|world| available().iter().map(move |v| (world.clone(), *v)))
    {
        let certificate = issuer.certificate();
        let json = serde_json::to_vec(&certificate).unwrap();
        let received: AgentCertificate = wire::from_json(&json, wire::MAX_CERTIFICATE).unwrap();
        assert_eq!(received, certificate);
        let verified = issuer.anchor().verify(verifier, received, None, NOW).unwrap();
        assert_eq!(verified.certificate(), &certificate);
        assert_eq!(verified.agent_id().as_str(), "traveller_agent_001");
        assert_eq!(verified.name().to_string(), "Traveller Agent");
        assert_eq!(verified.public_key(), issuer.agent.public_key());
        assert_eq!(verified.key_id(), issuer.agent.public_key().key_id());
        assert_eq!(verified.address().as_str(), "https://localhost:5002");
        assert_eq!(verified.tls_spki_sha256(), &Hex::from_bytes([7; 32]));
        assert_eq!(verified.expires_at(), NOW.saturating_add(DAY));
    }
}

#[test]
fn a_change_of_any_field_breaks_the_controllers_signature() {
    let changes: [fn(&mut AgentCertificate); 13] = [
        |c| c.agent_card.name = "Helper Agent".parse().unwrap(),
        |c| c.agent_card.methods.clear(),
        |c| c.agent_card.suites.truncate(1),
        |c| c.agent_card.address = "https://localhost:5003".parse().unwrap(),
        |c| c.agent_card.tls_spki_sha256 = Hex::from_bytes([8; 32]),
        |c| c.agent_card.issued_at = before(1),
        |c| c.agent_card.expires_at = after(86_401),
        |c| c.agent_card.agent_id = id("helper_agent_001"),
        |c| c.issued_at = before(1),
        |c| c.expires_at = after(86_399),
        |c| c.nonce = Hex::from_bytes([8; 32]),
        |c| c.serial = Hex::from_bytes([8; 16]),
        |c| c.agent_signature = c.controller_signature.clone(),
    ];
    for world in worlds() {
        for change in changes {
            let mut certificate = world.certificate();
            change(&mut certificate);
            let verdict = world.verify(&certificate, NOW);
            assert_eq!(verdict, Err(CertificateError::ControllerSignature), "{certificate:?}");
        }
    }
}

#[test]
fn another_controllers_certificate_is_refused() {
    for world in worlds() {
        // Its own key id stands in it, and all else is in order.
        let impostor = Authority::new(id("controller"), world.impostor.clone(), world.provider);
        let certificate = impostor.issue(&world.request(world.card()), DAY, NOW).unwrap();
        let (expected, found) = (world.anchor().fingerprint(), impostor.anchor().fingerprint());
        assert_eq!(
            world.verify(&certificate, NOW),
            Err(CertificateError::WrongController { expected, found })
        );
        // The trusted key id, but not the trusted key.
        let mut certificate = world.certificate();
        certify(&mut certificate, &*world.impostor, SignatureLabel::Certificate);
        assert_eq!(world.verify(&certificate, NOW), Err(CertificateError::ControllerSignature));
        // The trusted key, but another key id or another name.
        let verdict = world.signed_with(|c| c.controller_key_id = found);
        assert_eq!(verdict, Err(CertificateError::WrongController { expected, found }));
        let verdict = world.signed_with(|c| c.controller_id = id("other"));
        let (expected, found) = (id("controller"), id("other"));
        assert_eq!(verdict, Err(CertificateError::WrongControllerName { expected, found }));
    }
}

#[test]
fn the_agents_own_signature_is_verified() {
    for world in worlds() {
        let changes: [&dyn Fn(&mut AgentCertificate); 4] = [
            &|c| c.nonce = Hex::from_bytes([8; 32]),
            &|c| c.agent_card.name = "Helper Agent".parse().unwrap(),
            &|c| c.agent_card.public_key = world.other.public_key().clone(),
            &|c| {
                let message = c.agent_card.enrolment_message(&c.nonce).unwrap();
                c.agent_signature =
                    signature::sign(&*world.other, SignatureLabel::Enrolment, &message).unwrap();
            },
        ];
        for change in changes {
            let mut certificate = world.certificate();
            change(&mut certificate);
            world.resign_controller(&mut certificate);
            assert_eq!(world.verify(&certificate, NOW), Err(CertificateError::AgentSignature));
        }
    }
}

#[test]
fn a_signature_for_another_use_is_refused() {
    for world in worlds() {
        for label in SignatureLabel::ALL {
            let mut certificate = world.certificate();
            certify(&mut certificate, &*world.controller, label);
            let expected = match label {
                SignatureLabel::Certificate => Ok(()),
                _ => Err(CertificateError::ControllerSignature),
            };
            assert_eq!(world.verify(&certificate, NOW), expected);

            let message = certificate.agent_card.enrolment_message(&certificate.nonce).unwrap();
            certificate.agent_signature = signature::sign(&*world.agent, label, &message).unwrap();
            world.resign_controller(&mut certificate);
            let expected = match label {
                SignatureLabel::Enrolment => Ok(()),
                _ => Err(CertificateError::AgentSignature),
            };
            assert_eq!(world.verify(&certificate, NOW), expected);
        }
    }
}

#[test]
fn it_holds_while_card_and_certificate_hold() {
    for world in worlds() {
        let not_yet = |issued_at, now| Err(ValidityError::NotYetValid { issued_at, now }.into());
        let expired = |expires_at, now| Err(ValidityError::Expired { expires_at, now }.into());
        let mut certificate = world.certificate();
        for (now, verdict) in [
            (before(61), not_yet(NOW, before(61))),
            (before(60), Ok(())),
            (after(86_459), Ok(())),
            (after(86_460), expired(after(86_400), after(86_460))),
        ] {
            assert_eq!(world.verify(&certificate, now), verdict);
        }
        let verified = world.anchor().verify(world.provider, certificate.clone(), None, NOW).unwrap();
        assert_eq!(verified.remaining(after(86_000)), Duration::from_secs(400));
        assert_eq!(verified.check_validity(after(86_459)), Ok(()));
        assert_eq!(verified.check_validity(after(86_460)), expired(after(86_400), after(86_460)));

        // The card begins after the certificate.
        certificate.agent_card.issued_at = after(100);
        world.resign_agent(&mut certificate);
        world.resign_controller(&mut certificate);
        assert_eq!(world.verify(&certificate, NOW), not_yet(after(100), NOW));
        assert_eq!(world.verify(&certificate, after(40)), Ok(()));
        // The certificate begins after the card, and ends before it.
        assert_eq!(world.signed_with(|c| c.issued_at = after(100)), not_yet(after(100), NOW));
        let ends_early = |c: &mut AgentCertificate| (c.issued_at, c.expires_at) = (before(200), before(100));
        let span = StructureFlaw::Validity(ValidityError::Empty { issued_at: NOW, expires_at: before(100) });
        assert_eq!(
            world.signed_with(ends_early),
            Err(span.into()),
            "card and certificate never hold together"
        );
    }
}

#[test]
fn another_agents_certificate_is_refused() {
    for world in worlds() {
        let (expected, found) = (id("helper_agent_001"), id("traveller_agent_001"));
        let verdict = world.anchor().verify(world.provider, world.certificate(), Some(&expected), NOW);
        assert_eq!(verdict.unwrap_err(), CertificateError::WrongName { expected, found });
    }
}

#[test]
fn contradictions_are_refused_though_signed() {
    type Change = fn(&mut AgentCertificate);
    let cases: [(Change, StructureFlaw); 7] = [
        (|c| c.agent_card.protocol_version = 2, StructureFlaw::ProtocolVersion(2)),
        (|c| c.agent_card.suites.clear(), StructureFlaw::Suites),
        (|c| c.agent_card.suites.push(Suite::Modp2048), StructureFlaw::Suites),
        (|c| c.agent_card.methods = vec!["m".parse().unwrap(); 33], StructureFlaw::TooManyMethods(33)),
        (
            |c| c.agent_card.expires_at = NOW,
            StructureFlaw::Validity(ValidityError::Empty { issued_at: NOW, expires_at: NOW }),
        ),
        (
            |c| c.issued_at = c.expires_at,
            StructureFlaw::Validity(ValidityError::Empty {
                issued_at: after(86_400),
                expires_at: after(86_400),
            }),
        ),
        (|c| c.expires_at = after(86_401), StructureFlaw::OutlivesCard),
    ];
    for world in worlds() {
        for (change, flaw) in &cases {
            assert_eq!(world.signed_with(change), Err(flaw.clone().into()));
        }
        assert_eq!(world.signed_with(|c| c.agent_card.methods = vec!["m".parse().unwrap(); 32]), Ok(()));
        // The controller as an agent: both signatures are its own.
        let mut certificate = world.certificate();
        certificate.agent_card.public_key = world.controller.public_key().clone();
        let world = World { agent: world.controller.clone(), ..world };
        world.resign_agent(&mut certificate);
        world.resign_controller(&mut certificate);
        assert_eq!(world.verify(&certificate, NOW), Err(StructureFlaw::ControllersKey.into()));
    }
}

#[test]
fn the_first_flaw_in_order_is_reported() {
    for world in worlds() {
        let mut bad = world.certificate();
        let someone = id("helper_agent_001");
        let late = after(100_000);
        let verdict = |c: &AgentCertificate| {
            world.anchor().verify(world.provider, c.clone(), Some(&someone), late).unwrap_err()
        };
        assert!(matches!(verdict(&bad), CertificateError::Validity(_)), "before the name");
        bad.agent_card.name = "Helper Agent".parse().unwrap();
        world.resign_controller(&mut bad);
        assert_eq!(verdict(&bad), CertificateError::AgentSignature, "before validity");
        bad.serial = Hex::from_bytes([0; 16]);
        assert_eq!(verdict(&bad), CertificateError::ControllerSignature, "before the agent's signature");
        bad.controller_key_id = Hex::from_bytes([0; 32]);
        assert!(matches!(verdict(&bad), CertificateError::WrongController { .. }), "before the signatures");
        bad.agent_card.protocol_version = 0;
        assert!(matches!(verdict(&bad), CertificateError::Structure(_)), "before all else");
    }
}

#[test]
fn json_is_read_strictly() {
    let world = worlds().next().unwrap();
    let good = serde_json::to_string(&world.certificate()).unwrap();
    let read = |json: &str| wire::from_json::<AgentCertificate>(json.as_bytes(), wire::MAX_CERTIFICATE);
    assert!(read(&good).is_ok());
    for (old, new) in [
        ("\"serial\":", "\"usage\":\"ca\",\"serial\":"),
        ("\"agent_id\":", "\"usage\":\"ca\",\"agent_id\":"),
        ("\"serial\":", "\"issued_at\":1,\"serial\":"),
        ("\"agent_id\":", "\"agent_id\":\"helper_agent_001\",\"agent_id\":"),
        ("\"agent_id\":", "\"agent\\u005fid\":\"helper_agent_001\",\"agent_id\":"),
        ("\"serial\":", "\"Serial\":"),
        ("\"issued_at\":1739577600", "\"issued_at\":1739577600.0"),
        ("\"issued_at\":1739577600", "\"issued_at\":\"1739577600\""),
        ("\"issued_at\":1739577600", "\"issued_at\":null"),
        ("\"protocol_version\":1", "\"protocol_version\":4294967297"),
        (",\"protocol_version\":1", ""),
        ("https://localhost:5002", "https://localhost:5002/"),
        ("https://localhost:5002", "https://LOCALHOST:5002"),
        ("\"traveller_agent_001\"", "\"Traveller_agent_001\""),
        ("\"A2A-MODP2048\"", "\"A2A-NONE\""),
        ("0707", "07"),
        ("\"Traveller Agent\"", "\"Traveller Agent \\ud800\""),
    ] {
        assert!(good.contains(old), "{old}");
        let json = good.replacen(old, new, 1);
        assert!(matches!(read(&json), Err(WireError::Json(_))), "{old} -> {new}");
    }
    let variant_as_object = good.replacen("\"A2A-MODP2048\"", "{\"A2A-MODP2048\":null}", 1);
    assert_eq!(read(&variant_as_object), Err(WireError::NotCanonical));
    let oversized = format!("{good}{}", " ".repeat(wire::MAX_CERTIFICATE));
    assert!(matches!(read(&oversized), Err(WireError::TooLarge { .. })));
}

#[test]
fn the_signed_bytes_are_pinned() {
    let world = worlds().next().unwrap();
    let c = world.certificate();
    let pem = c.agent_card.public_key.to_pem().replace('\n', "\\n");
    let card = format!(
        "{{\"address\":\"https://localhost:5002\",\"agent_id\":\"traveller_agent_001\",\
         \"expires_at\":1739664000,\"issued_at\":1739577600,\
         \"methods\":[\"send_request\",\"receive_response\"],\"name\":\"Traveller Agent\",\
         \"protocol_version\":1,\"public_key\":\"{pem}\",\
         \"suites\":[\"A2A-MODP2048-MLKEM768\",\"A2A-X25519-MLKEM768\",\"A2A-MODP2048\"],\"tls_spki_sha256\":\"{}\"}}",
        "07".repeat(32)
    );
    let nonce = "09".repeat(32);
    let stated = c.agent_card.enrolment_message(&c.nonce).unwrap();
    assert_eq!(
        String::from_utf8(stated).unwrap(),
        format!("{{\"agent_card\":{card},\"nonce\":\"{nonce}\"}}")
    );
    let certified = String::from_utf8(c.certified_message().unwrap()).unwrap();
    let expected = format!(
        "{{\"agent_card\":{card},\"agent_signature\":\"{}\",\"controller_id\":\"controller\",\
         \"controller_key_id\":\"{}\",\"expires_at\":1739664000,\"issued_at\":1739577600,\
         \"nonce\":\"{nonce}\",\"serial\":\"{}\"}}",
        c.agent_signature.0, c.controller_key_id, c.serial
    );
    assert_eq!(certified, expected);
}
