//! A controller that changes its key: whom agents follow, and what they still believe of the former key.

use std::sync::Arc;

use a2a_core::certificate::succession::MAX_SUCCESSIONS;
use a2a_core::certificate::{
    Authority, CertificateError, ControllerInfo, FormerKey, StructureFlaw, Succession, SuccessionError,
    TrustAnchor,
};
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::signature::{self, SignatureLabel, SigningKey};
use a2a_core::wire;

use crate::world::{DAY, NOW, World, after, id, worlds};

type Key = Arc<dyn SigningKey>;
const BAD_SIGNATURE: SuccessionError = SuccessionError::Signature(CryptoError::BadSignature);

fn authority(world: &World, key: &Key) -> Authority {
    Authority::new(id("controller"), key.clone(), world.provider)
}

/// From one key to the next; the former is good for another day.
fn step(world: &World, former: &Key, key: &Key) -> Succession {
    authority(world, former).succession(&**key, NOW.saturating_add(DAY), NOW).unwrap()
}

/// The same with one change, properly signed by both again.
fn step_with(world: &World, former: &Key, key: &Key, change: impl FnOnce(&mut Succession)) -> Succession {
    let mut step = step(world, former, key);
    change(&mut step);
    let message = wire::canonical_json_without(&step, &["former_signature", "signature"]).unwrap();
    step.former_signature = signature::sign(&**former, SignatureLabel::Succession, &message).unwrap();
    step.signature = signature::sign(&**key, SignatureLabel::Successor, &message).unwrap();
    step
}

fn follow(world: &World, steps: &[Succession], key: &Key) -> Result<TrustAnchor, SuccessionError> {
    world.anchor().follow(world.provider, steps, key.public_key().key_id(), NOW)
}

fn not_a_successor(world: &World, key: &Key) -> SuccessionError {
    let (trusted, presented) = (world.anchor().fingerprint(), key.public_key().key_id());
    SuccessionError::NotASuccessor { trusted, presented }
}

fn former(key: &Key) -> FormerKey {
    FormerKey { public_key: key.public_key().clone(), until: NOW.saturating_add(DAY) }
}

#[test]
fn a_signed_way_is_followed_from_the_trusted_key_to_the_one_presented() {
    for world in worlds() {
        let (old, new, newest) = (&world.controller, &world.impostor, &world.other);
        let steps = [step(&world, &world.agent, old), step(&world, old, new), step(&world, new, newest)];
        let there = |anchor: &TrustAnchor| (anchor.controller_id.clone(), anchor.public_key.clone());
        let at_new = follow(&world, &steps, new).unwrap();
        assert_eq!(there(&at_new), (id("controller"), new.public_key().clone()), "not beyond it");
        assert_eq!(at_new.former, [former(old)]);
        let at_newest = follow(&world, &steps, newest).unwrap();
        assert_eq!(there(&at_newest), (id("controller"), newest.public_key().clone()));
        assert_eq!(at_newest.former, [former(old), former(new)]);
        let in_two_goes = at_new.follow(world.provider, &steps, newest.public_key().key_id(), NOW).unwrap();
        assert_eq!(in_two_goes, at_newest);
        assert_eq!(follow(&world, &steps, old).unwrap(), world.anchor(), "there already");
        // There and back again.
        let circle = [step(&world, old, new), step(&world, new, old), step(&world, old, newest)];
        assert_eq!(follow(&world, &circle, newest).unwrap().public_key, *newest.public_key());
    }
}

#[test]
fn where_nothing_leads_nobody_follows() {
    for world in worlds() {
        let (old, new, newest) = (&world.controller, &world.impostor, &world.other);
        let (first, second) = (step(&world, old, new), step(&world, new, newest));
        for steps in [vec![], vec![second.clone()], vec![second.clone(), first.clone()], vec![first.clone()]]
        {
            assert_eq!(follow(&world, &steps, newest), Err(not_a_successor(&world, newest)));
        }
        let back = [step(&world, new, old)];
        assert_eq!(follow(&world, &back, new), Err(not_a_successor(&world, new)), "never backwards");
        let irrelevant = step_with(&world, newest, &world.agent, |step| step.controller_id = id("other"));
        assert!(follow(&world, &[irrelevant, first.clone()], new).is_ok(), "a step that is not on the way");
        let mut many = vec![second; MAX_SUCCESSIONS - 1];
        many.push(first.clone());
        assert!(follow(&world, &many, new).is_ok());
        many.push(first);
        assert_eq!(follow(&world, &many, new), Err(SuccessionError::TooMany(MAX_SUCCESSIONS + 1)));
    }
}

#[test]
fn both_keys_sign_all_of_a_step() {
    for world in worlds() {
        let (old, new) = (&world.controller, &world.impostor);
        let good = step(&world, old, new);
        let message = wire::canonical_json_without(&good, &["former_signature", "signature"]).unwrap();
        let by = |key: &Key, label| signature::sign(&**key, label, &message).unwrap();
        let mut unsigned_by_old = good.clone();
        unsigned_by_old.former_signature = by(&world.other, SignatureLabel::Succession);
        let mut unsigned_by_new = good.clone();
        unsigned_by_new.signature = by(&world.other, SignatureLabel::Successor);
        let mut swapped = good.clone();
        (swapped.former_signature, swapped.signature) =
            (good.signature.clone(), good.former_signature.clone());
        for bad in [unsigned_by_old, unsigned_by_new, swapped] {
            assert_eq!(follow(&world, &[bad], new), Err(BAD_SIGNATURE));
        }
        let changes: [fn(&mut Succession); 2] =
            [|step| step.succeeded_at = after(1), |step| step.former_until = after(999_999)];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(follow(&world, &[bad], new), Err(BAD_SIGNATURE));
        }
        let mut other_key = good.clone();
        other_key.key = world.other.public_key().clone();
        assert_eq!(follow(&world, &[other_key], &world.other), Err(BAD_SIGNATURE));
        assert!(follow(&world, &[good], new).is_ok());
    }
}

#[test]
fn contradictions_are_refused_though_signed() {
    for world in worlds() {
        let (old, new) = (&world.controller, &world.impostor);
        let foreign = step_with(&world, old, new, |step| step.controller_id = id("other"));
        assert_eq!(follow(&world, &[foreign], new), Err(SuccessionError::Malformed));
        let to_itself = [step(&world, old, old), step(&world, old, new)];
        assert_eq!(follow(&world, &to_itself, new), Err(SuccessionError::Malformed));
    }
}

#[test]
fn certificates_under_the_former_key_hold_until_the_time_that_was_named() {
    for world in worlds() {
        let (old, new) = (&world.controller, &world.impostor);
        let steps = [step_with(&world, old, new, |step| step.former_until = after(500))];
        let anchor = follow(&world, &steps, new).unwrap();
        let verdict = |now| anchor.verify(world.provider, world.certificate(), None, now).map(|_| ());
        assert_eq!(verdict(after(499)), Ok(()));
        let (expected, found) = (new.public_key().key_id(), old.public_key().key_id());
        assert_eq!(verdict(after(500)), Err(CertificateError::WrongController { expected, found }));

        let by_new = authority(&world, new).issue(&world.request(world.card()), DAY, NOW).unwrap();
        assert!(anchor.verify(world.provider, by_new, None, NOW).is_ok());
        let under_new_name = World { controller: old.clone(), ..world.clone() };
        let mut renamed = world.certificate();
        renamed.controller_id = id("other");
        under_new_name.resign_controller(&mut renamed);
        let wrong_name = anchor.verify(world.provider, renamed, None, NOW).unwrap_err();
        assert!(matches!(wrong_name, CertificateError::WrongControllerName { .. }));

        let later = |now| world.anchor().follow(world.provider, &steps, expected, now).unwrap().former;
        assert_eq!(later(after(499)).len(), 1);
        assert_eq!(later(after(500)), [], "what has ended is forgotten");
    }
}

#[test]
fn a_former_key_of_the_controllers_is_no_agents() {
    for world in worlds() {
        let anchor = TrustAnchor { former: vec![former(&world.impostor)], ..world.anchor() };
        let agent = World { agent: world.impostor.clone(), ..world.clone() };
        let certificate = agent.certificate();
        let verdict = anchor.verify(world.provider, certificate, None, NOW).unwrap_err();
        assert_eq!(verdict, StructureFlaw::ControllersKey.into());
    }
}

#[test]
fn whoever_comes_later_learns_of_the_former_keys_from_the_present_one() {
    for world in worlds() {
        let (oldest, old, new) = (&world.other, &world.controller, &world.impostor);
        let (first, second) = (step(&world, oldest, old), step(&world, old, new));
        let beyond = step(&world, new, &world.agent);
        let info = |steps: Vec<Succession>| authority(&world, new).info("root".into(), steps).unwrap();
        let verify = |steps| info(steps).verify(world.provider);
        let anchor = verify(vec![first.clone(), second.clone(), beyond]).unwrap();
        assert_eq!(anchor.public_key, *new.public_key());
        assert_eq!(anchor.former, [former(oldest), former(old)]);
        assert!(anchor.verify(world.provider, world.certificate(), None, NOW).is_ok());
        assert_eq!(verify(vec![first.clone()]).unwrap().former, [], "a gap");

        let foreign = step_with(&world, old, new, |step| step.controller_id = id("other"));
        assert_eq!(verify(vec![foreign]), Err(SuccessionError::Malformed.into()));
        let mut forged = second.clone();
        forged.former_until = after(999_999);
        assert_eq!(verify(vec![forged]), Err(BAD_SIGNATURE.into()));
        let mut unsigned_by_old = second.clone();
        unsigned_by_old.former_signature = first.signature.clone();
        assert_eq!(verify(vec![unsigned_by_old]), Err(BAD_SIGNATURE.into()));
        let many = vec![first; MAX_SUCCESSIONS + 1];
        assert_eq!(verify(many), Err(SuccessionError::TooMany(MAX_SUCCESSIONS + 1).into()));

        // They stand under the info's signature.
        let short = ControllerInfo { successions: Vec::new(), ..info(vec![second]) };
        assert_eq!(short.verify(world.provider), Err(CertificateError::ControllerSignature));
    }
}
