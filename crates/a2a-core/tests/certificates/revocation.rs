//! The controller's list: whose it is, until when, and what it says of a certificate.

use std::collections::BTreeMap;

use a2a_core::certificate::{
    AgentCertificate, CertificateError, FormerKey, RevocationContent, RevocationError, RevocationList,
    Standing, TrustAnchor,
};
use a2a_core::crypto::signature::{self, SignatureLabel, SigningKey};
use a2a_core::time::{Validity, ValidityError};
use a2a_core::wire::{self, Hex, WireError};

use crate::world::{HOUR, NOW, World, after, before, id, worlds};

fn content(change: impl FnOnce(&mut RevocationContent)) -> RevocationContent {
    let mut content = RevocationContent { number: 7, ..RevocationContent::default() };
    change(&mut content);
    content
}

fn resign(list: &mut RevocationList, key: &dyn SigningKey) {
    let message = wire::canonical_json_without(list, &["signature"]).unwrap();
    list.signature = signature::sign(key, SignatureLabel::RevocationList, &message).unwrap();
}

/// What becomes of a list with one change, properly signed again.
fn signed_with(world: &World, change: impl FnOnce(&mut RevocationList)) -> Result<(), RevocationError> {
    let mut list = world.list(RevocationContent::default());
    change(&mut list);
    resign(&mut list, &*world.controller);
    list.verify(world.provider, &world.anchor(), NOW).map(|_| ())
}

fn verdict(world: &World, content: RevocationContent) -> Result<(), CertificateError> {
    world.verifier(content).verify(world.provider, world.certificate(), None, NOW).map(|_| ())
}

#[test]
fn whoever_is_not_on_the_list_is_good() {
    for world in worlds() {
        assert_eq!(verdict(&world, RevocationContent::default()), Ok(()));
        let others = content(|content| {
            content.serials = (0..=255).map(|byte| Hex::from_bytes([byte; 16])).collect();
            content.key_ids = vec![world.other.public_key().key_id(), world.controller.public_key().key_id()];
            content.not_before =
                BTreeMap::from([(id("helper_agent_001"), after(900)), (id("zz"), after(900))]);
        });
        assert_eq!(verdict(&world, others), Ok(()));
    }
}

#[test]
fn a_serial_or_a_key_on_the_list_is_revoked() {
    for world in worlds() {
        let certificate = world.certificate();
        let check = |content: RevocationContent| {
            let verifier = world.verifier(content);
            assert_eq!(verifier.revocations.standing(&certificate), Standing::Revoked);
            verifier.verify(world.provider, certificate.clone(), None, NOW).unwrap_err()
        };
        let serials = [Hex::from_bytes([0; 16]), certificate.serial, Hex::from_bytes([0xff; 16])];
        let by_serial = content(|content| content.serials = serials.to_vec());
        assert_eq!(check(by_serial), CertificateError::Revoked);
        let key_ids = [Hex::from_bytes([0xff; 32]), world.agent.public_key().key_id()];
        let by_key = content(|content| content.key_ids = key_ids.to_vec());
        assert_eq!(check(by_key), CertificateError::Revoked, "whatever the serial");
        let also_superseded = content(|content| {
            content.serials = vec![certificate.serial];
            content.not_before = BTreeMap::from([(id("traveller_agent_001"), after(1))]);
        });
        assert_eq!(check(also_superseded), CertificateError::Revoked, "the worse of both");
    }
}

#[test]
fn what_was_issued_before_the_earliest_time_is_superseded() {
    for world in worlds() {
        for (earliest, verdict_there, standing) in [
            (NOW, Ok(()), Standing::Good),
            (after(1), Err(CertificateError::Superseded), Standing::Superseded),
        ] {
            let earliest = content(|content| {
                content.not_before = BTreeMap::from([(id("traveller_agent_001"), earliest)]);
            });
            let revocations = world.verifier(earliest.clone()).revocations;
            assert_eq!(revocations.standing(&world.certificate()), standing);
            assert_eq!(verdict(&world, earliest), verdict_there);
        }
    }
}

#[test]
fn without_a_list_that_holds_nobody_is_good() {
    for world in worlds() {
        let verifier = world.verifier(RevocationContent::default());
        let verdict = |now| verifier.verify(world.provider, world.certificate(), None, now).map(|_| ());
        assert_eq!(verdict(after(3_659)), Ok(()));
        let expired = ValidityError::Expired { expires_at: after(3_600), now: after(3_660) };
        assert_eq!(verdict(after(3_660)), Err(RevocationError::Validity(expired).into()));

        // A list from the future, as after a clock that is set back.
        let content = RevocationContent::default();
        let list = world.authority().revocations(content, HOUR, after(300)).unwrap();
        let revocations = list.verify(world.provider, &world.anchor(), after(300)).unwrap();
        let verifier = a2a_core::certificate::Verifier { revocations, ..verifier.clone() };
        let verdict = |now| verifier.verify(world.provider, world.certificate(), None, now).map(|_| ());
        assert_eq!(verdict(after(240)), Ok(()));
        let early = ValidityError::NotYetValid { issued_at: after(300), now: after(239) };
        assert_eq!(verdict(after(239)), Err(RevocationError::Validity(early).into()));
    }
}

#[test]
fn the_list_is_looked_up_between_validity_and_name() {
    for world in worlds() {
        let certificate = world.certificate();
        let revoked = content(|content| content.serials = vec![certificate.serial]);
        let verifier = world.verifier(revoked);
        let someone = id("helper_agent_001");
        let verdict = |certificate: &AgentCertificate, now| {
            verifier.verify(world.provider, certificate.clone(), Some(&someone), now).unwrap_err()
        };
        assert_eq!(verdict(&certificate, NOW), CertificateError::Revoked, "before the name");
        let stale = verdict(&certificate, after(3_700));
        assert!(matches!(stale, CertificateError::Revocations(_)), "a list that does not hold says nothing");
        let ended = verdict(&certificate, after(100_000));
        assert!(matches!(ended, CertificateError::Validity(_)), "validity before the list");
        let good = world.verifier(RevocationContent::default());
        let named = good.verify(world.provider, certificate, Some(&someone), NOW).unwrap_err();
        assert!(matches!(named, CertificateError::WrongName { .. }));
    }
}

#[test]
fn a_list_may_be_taken_while_it_holds() {
    for world in worlds() {
        let list = world.list(RevocationContent::default());
        let take = |now| list.clone().verify(world.provider, &world.anchor(), now).map(|_| ());
        assert_eq!(take(before(60)), Ok(()));
        assert_eq!(take(after(3_659)), Ok(()));
        let early = ValidityError::NotYetValid { issued_at: NOW, now: before(61) };
        assert_eq!(take(before(61)), Err(early.into()));
        let late = ValidityError::Expired { expires_at: after(3_600), now: after(3_660) };
        assert_eq!(take(after(3_660)), Err(late.into()));
        let empty = ValidityError::Empty { issued_at: NOW, expires_at: NOW };
        assert_eq!(signed_with(&world, |list| list.next_update = NOW), Err(empty.into()));
    }
}

#[test]
fn a_change_of_any_field_breaks_the_signature() {
    for world in worlds() {
        let changes: [fn(&mut RevocationList); 6] = [
            |list| list.number += 1,
            |list| list.this_update = before(1),
            |list| list.next_update = after(9_999),
            |list| list.serials.clear(),
            |list| list.key_ids.clear(),
            |list| list.not_before.clear(),
        ];
        let full = content(|content| {
            content.serials = vec![Hex::from_bytes([1; 16])];
            content.key_ids = vec![Hex::from_bytes([1; 32])];
            content.not_before = BTreeMap::from([(id("helper_agent_001"), NOW)]);
        });
        let list = world.list(full);
        for change in changes {
            let mut list = list.clone();
            change(&mut list);
            let verdict = list.verify(world.provider, &world.anchor(), NOW);
            assert_eq!(verdict.unwrap_err(), RevocationError::Signature);
        }
        list.verify(world.provider, &world.anchor(), NOW).unwrap();
    }
}

#[test]
fn only_the_controllers_present_key_revokes() {
    for world in worlds() {
        // An impostor under the controller's key id.
        let mut forged = world.list(RevocationContent::default());
        resign(&mut forged, &*world.impostor);
        let verdict = |list: RevocationList, anchor: &TrustAnchor| {
            list.verify(world.provider, anchor, NOW).map(|_| ()).unwrap_err()
        };
        assert_eq!(verdict(forged, &world.anchor()), RevocationError::Signature);
        // Another controller, and a former key of this one.
        let validity = Validity::new(NOW, after(3_600)).unwrap();
        let content = RevocationContent::default();
        let foreign = RevocationList::sign(id("controller"), content, validity, &*world.impostor).unwrap();
        let former = FormerKey { public_key: world.impostor.public_key().clone(), until: after(9_999) };
        let (expected, found) = (world.anchor().fingerprint(), world.impostor.public_key().key_id());
        for former in [vec![], vec![former]] {
            let anchor = TrustAnchor { former, ..world.anchor() };
            let wrong = RevocationError::WrongController { expected, found };
            assert_eq!(verdict(foreign.clone(), &anchor), wrong);
        }
        let (expected, found) = (id("controller"), id("other"));
        let renamed = signed_with(&world, |list| list.controller_id = id("other"));
        assert_eq!(renamed, Err(RevocationError::WrongControllerName { expected, found }));
    }
}

#[test]
fn entries_stand_in_strictly_ascending_order() {
    for world in worlds() {
        let serials = |bytes: &'static [u8]| bytes.iter().map(|byte| Hex::from_bytes([*byte; 16])).collect();
        let key_ids = |bytes: &'static [u8]| bytes.iter().map(|byte| Hex::from_bytes([*byte; 32])).collect();
        for (bytes, verdict) in [
            (&[1, 2, 3][..], Ok(())),
            (&[1, 3, 2], Err(RevocationError::Unsorted)),
            (&[1, 2, 2], Err(RevocationError::Unsorted)),
        ] {
            assert_eq!(signed_with(&world, |list| list.serials = serials(bytes)), verdict);
            assert_eq!(signed_with(&world, |list| list.key_ids = key_ids(bytes)), verdict);
        }
        let list = world.list(content(|content| {
            (content.serials, content.key_ids) = (serials(&[3, 1, 3, 2]), key_ids(&[9, 9, 8]));
        }));
        assert_eq!((&list.serials, &list.key_ids), (&serials(&[1, 2, 3]), &key_ids(&[8, 9])));
        list.verify(world.provider, &world.anchor(), NOW).unwrap();
    }
}

#[test]
fn an_older_list_takes_no_newer_ones_place() {
    for world in worlds() {
        let list = |number, made_at| {
            let content = RevocationContent { number, ..RevocationContent::default() };
            let list = world.authority().revocations(content, HOUR, made_at).unwrap();
            list.verify(world.provider, &world.anchor(), made_at).unwrap()
        };
        let known = list(7, NOW);
        assert_eq!(known.number(), 7);
        for (number, made_at, is_taken) in [
            (7, NOW, true),
            (7, after(1), true),
            (8, NOW, true),
            (8, before(900), true),
            (7, before(1), false),
            (6, NOW, false),
            (6, after(900), false),
        ] {
            let older = RevocationError::Older { known: 7, found: number };
            let verdict = if is_taken { Ok(()) } else { Err(older) };
            assert_eq!(known.check_succession(&list(number, made_at)), verdict, "{number} of {made_at}");
        }
    }
}

#[test]
fn json_is_read_strictly() {
    let world = worlds().next().unwrap();
    let full = content(|content| {
        content.serials = vec![Hex::from_bytes([1; 16]), Hex::from_bytes([0xab; 16])];
        content.key_ids = vec![Hex::from_bytes([2; 32])];
        content.not_before = BTreeMap::from([(id("a"), NOW), (id("b"), NOW)]);
    });
    let list = world.list(full);
    let good = serde_json::to_string(&list).unwrap();
    let read = |json: &str| wire::from_json::<RevocationList>(json.as_bytes(), 10_000);
    assert_eq!(read(&good), Ok(list.clone()));
    for (old, new) in [
        ("\"number\":7", "\"number\":9007199254740992"),
        ("\"number\":7", "\"number\":7.0"),
        ("\"number\":7", "\"number\":7,\"number\":7"),
        ("\"number\":7", "\"number\":7,\"extra\":7"),
        ("\"number\":7,", ""),
        ("\"serials\":[", "\"serials\":[null,"),
        ("abab", "ABAB"),
        ("0202", "02"),
        ("\"a\":", "\"A\":"),
        ("\"b\":1739577600", "\"b\":-1"),
    ] {
        assert!(good.contains(old), "{old}");
        assert!(matches!(read(&good.replacen(old, new, 1)), Err(WireError::Json(_))), "{old} -> {new}");
    }
    let twice = good.replacen("\"b\":", "\"a\":", 1);
    assert_eq!(read(&twice), Err(WireError::NotCanonical), "an agent that stands twice");

    let signed = wire::canonical_json_without(&list, &["signature"]).unwrap();
    let expected = format!(
        "{{\"controller_id\":\"controller\",\"controller_key_id\":\"{}\",\"key_ids\":[\"{}\"],\
         \"next_update\":1739581200,\"not_before\":{{\"a\":1739577600,\"b\":1739577600}},\"number\":7,\
         \"serials\":[\"{}\",\"{}\"],\"this_update\":1739577600}}",
        world.anchor().fingerprint(),
        "02".repeat(32),
        "01".repeat(16),
        "ab".repeat(16)
    );
    assert_eq!(String::from_utf8(signed).unwrap(), expected);
}
