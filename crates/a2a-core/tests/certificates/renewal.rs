//! A new certificate for an agent that has one: with its key, or with another that the old one has signed; and in a
//! session that lives.

use std::collections::BTreeMap;
use std::time::Duration;

use a2a_core::certificate::{
    AgentCertificate, CertificateError, EnrolmentError, EnrolmentRequest, Grant, RenewalRequest,
    RevocationContent,
};
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::time::{UnixTime, ValidityError};
use a2a_core::wire::{self, Hex};

use crate::world::{DAY, NOW, World, after, id, worlds};

/// The agent asks with its key, or to replace `former` by it.
fn renewal(world: &World, former: Option<&World>) -> RenewalRequest {
    let former = former.map(|world| &*world.agent as &dyn signature::Signer);
    let nonce = Hex::from_bytes([9; 32]);
    RenewalRequest::new(world.card(), nonce, "csr".into(), &*world.agent, former).unwrap()
}

/// The same world, its agent having another key.
fn rekeyed(world: &World) -> World {
    World { agent: world.other.clone(), ..world.clone() }
}

#[test]
fn the_known_key_renews() {
    for world in worlds() {
        let request = renewal(&world, None);
        assert_eq!(request.verify_continuity(world.provider, world.agent.public_key()), Ok(()));
        let certificate = world.authority().issue(&request.into(), DAY, after(10)).unwrap();
        assert_eq!(certificate.issued_at, after(10));
        assert_eq!(world.verify(&certificate, after(10)), Ok(()));
    }
}

#[test]
fn another_key_renews_if_the_known_one_has_signed_it() {
    for world in worlds() {
        let new = rekeyed(&world);
        let known = world.agent.public_key();
        let request = renewal(&new, Some(&world));
        assert_eq!(request.verify_continuity(world.provider, known), Ok(()));
        let certificate = world.authority().issue(&request.clone().into(), DAY, NOW).unwrap();
        assert_eq!(certificate.agent_card.public_key, *world.other.public_key());

        let refused = |request: RenewalRequest| {
            let verdict = request.verify_continuity(world.provider, known);
            assert_eq!(verdict, Err(EnrolmentError::Continuity));
        };
        refused(renewal(&new, None));
        let impostor = World { agent: world.impostor.clone(), ..world.clone() };
        refused(renewal(&new, Some(&impostor)));
        refused(renewal(&new, Some(&new)));
        refused(RenewalRequest { nonce: Hex::from_bytes([8; 32]), ..request.clone() });
        refused(RenewalRequest {
            former_signature: Some(request.agent_signature.clone()),
            ..request.clone()
        });
        let mut other_card = request.clone();
        other_card.agent_card.agent_id = id("helper_agent_001");
        refused(other_card);
        let mut other_key = request;
        other_key.agent_card.public_key = world.impostor.public_key().clone();
        refused(other_key);
    }
}

#[test]
fn the_former_keys_consent_is_no_proof_of_the_new_one() {
    for world in worlds() {
        let mut request = renewal(&rekeyed(&world), Some(&world));
        let message = request.agent_card.enrolment_message(&request.nonce).unwrap();
        request.agent_signature =
            signature::sign(&*world.agent, SignatureLabel::Enrolment, &message).unwrap();
        assert_eq!(request.verify_continuity(world.provider, world.agent.public_key()), Ok(()));
        let issued = world.authority().issue(&request.into(), DAY, NOW);
        assert_eq!(issued.unwrap_err(), EnrolmentError::Possession);
        let mistaken =
            RenewalRequest::new(world.card(), Hex::from_bytes([9; 32]), "csr".into(), &*world.other, None);
        assert_eq!(mistaken.unwrap_err(), EnrolmentError::NotTheCardsKey);
    }
}

#[test]
fn what_is_issued_is_not_older_than_what_still_counts() {
    for world in worlds() {
        let request = world.request(world.card());
        let issue = |not_before| {
            let grant = Grant { life: Duration::from_hours(2), not_before };
            let mut card = world.card();
            card.expires_at = after(7_200);
            world.authority().issue(
                &EnrolmentRequest { agent_card: card.clone(), ..world.request(card) },
                grant,
                NOW,
            )
        };
        assert_eq!(issue(UnixTime::from_secs(0)).unwrap().issued_at, NOW);
        let later = issue(after(1)).unwrap();
        assert_eq!((later.issued_at, later.expires_at), (after(1), after(7_200)));
        let empty = ValidityError::Empty { issued_at: after(7_200), expires_at: after(7_200) };
        assert_eq!(issue(after(7_200)).unwrap_err(), EnrolmentError::Validity(empty));

        // So the new one is good where the old one, of the same second, is not.
        let old = world.authority().issue(&request, DAY, NOW).unwrap();
        let not_before = BTreeMap::from([(id("traveller_agent_001"), after(1))]);
        let verifier = world.verifier(RevocationContent { not_before, ..RevocationContent::default() });
        let verdict = |c: AgentCertificate| verifier.verify(world.provider, c, None, NOW).map(|_| ());
        assert_eq!(verdict(old), Err(CertificateError::Superseded));
        assert_eq!(verdict(later), Ok(()));
    }
}

/// The certificate of an agent that has been issued it at this time.
fn issued(world: &World, at: UnixTime) -> AgentCertificate {
    let mut card = world.card();
    (card.issued_at, card.expires_at) = (at, at.saturating_add(DAY));
    world.authority().issue(&world.request(card), DAY, at).unwrap()
}

#[test]
fn a_session_goes_on_under_a_renewed_certificate_of_the_same_agent() {
    for world in worlds() {
        let known = world.verified(&issued(&world, after(1_000)));
        let verifier = world.verifier(RevocationContent::default());
        let renew = |certificate: AgentCertificate, now| {
            verifier.verify_renewal(world.provider, certificate, &known, now).map(|new| new.expires_at())
        };
        let renewed = issued(&world, after(2_000));
        assert_eq!(renew(renewed.clone(), after(2_000)), Ok(after(88_400)));
        assert_eq!(
            renew(issued(&rekeyed(&world), after(2_000)), after(2_000)),
            Ok(after(88_400)),
            "another key"
        );
        let late = after(50_000);
        assert!(verifier.revocations.check_fresh(late).is_err());
        assert_eq!(renew(renewed.clone(), late), Ok(after(88_400)), "under an old list, like the session");

        assert_eq!(
            renew(issued(&world, after(940)), after(1_000)),
            Ok(after(87_340)),
            "two controllers' clocks"
        );
        let (known_at, found) = (after(1_000), after(939));
        let older = CertificateError::Older { known: known_at, found };
        assert_eq!(renew(issued(&world, found), after(1_000)), Err(older));
        let expired = ValidityError::Expired { expires_at: after(88_400), now: after(88_460) };
        assert_eq!(renew(renewed.clone(), after(88_460)), Err(expired.into()));
        let elsewhere = World { controller: world.impostor.clone(), ..world.clone() };
        let foreign = renew(issued(&elsewhere, after(2_000)), after(2_000)).unwrap_err();
        assert!(matches!(foreign, CertificateError::WrongController { .. }));
        let mut another = world.certificate();
        another.agent_card.agent_id = id("helper_agent_001");
        world.resign_agent(&mut another);
        world.resign_controller(&mut another);
        let (expected, found) = (id("traveller_agent_001"), id("helper_agent_001"));
        let wrong_name = CertificateError::WrongName { expected, found };
        assert_eq!(renew(another, after(1_000)), Err(wrong_name));
    }
}

#[test]
fn a_session_does_not_go_on_under_a_revoked_certificate() {
    for world in worlds() {
        let (known, renewed) = (world.verified(&issued(&world, NOW)), issued(&world, after(100)));
        let renew = |content: RevocationContent| {
            let verifier = world.verifier(content);
            verifier.verify_renewal(world.provider, renewed.clone(), &known, after(100)).map(|_| ())
        };
        let serials = vec![renewed.serial];
        assert_eq!(
            renew(RevocationContent { serials, ..RevocationContent::default() }),
            Err(CertificateError::Revoked)
        );
        let not_before = BTreeMap::from([(id("traveller_agent_001"), after(200))]);
        let superseded = RevocationContent { not_before, ..RevocationContent::default() };
        assert_eq!(renew(superseded), Ok(()), "a newer one is on its way");
    }
}

#[test]
fn json_is_read_strictly() {
    let world = worlds().next().unwrap();
    let read = |json: &str| wire::from_json::<RenewalRequest>(json.as_bytes(), 10_000);
    let request = renewal(&world, None);
    let plain = serde_json::to_string(&request).unwrap();
    assert!(!plain.contains("former_signature"), "absent, not null");
    assert_eq!(read(&plain), Ok(request));
    let rekey = serde_json::to_string(&renewal(&rekeyed(&world), Some(&world))).unwrap();
    assert!(read(&rekey).unwrap().former_signature.is_some());
    for bad in [
        plain.replacen("\"nonce\":", "\"former_signature\":null,\"nonce\":", 1),
        plain.replacen("\"nonce\":", "\"join_token\":\"AA\",\"nonce\":", 1),
        rekey.replacen("\"former_signature\":", "\"previous_signature\":", 1),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
    let enrolment = wire::from_json::<EnrolmentRequest>(rekey.as_bytes(), 10_000);
    assert!(enrolment.is_err(), "a change of keys is no enrolment");
}
