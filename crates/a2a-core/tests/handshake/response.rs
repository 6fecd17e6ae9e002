//! M2 with one flaw each: the consent cannot be given, changed or refused by anybody else.

use a2a_core::certificate::CertificateError;
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::initiator::AwaitResponse;
use a2a_core::handshake::messages::{Acceptance, DecidedBy, Rejection, Response};
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, HandshakeError, Step};

use crate::world::*;

const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);

fn offering_all() -> Pair {
    Pair { offer: Suite::ALL.to_vec(), ..pair(Suite::Modp2048) }
}

fn acceptance(response: &Response) -> Acceptance {
    let Response::Accepted(acceptance) = response else { panic!("rejected") };
    Acceptance::clone(acceptance)
}

fn accepted(acceptance: Acceptance) -> Response {
    sent(&Response::Accepted(Box::new(acceptance)))
}

/// What the traveller says of an M2 with one change and the signature it had.
fn tampered(change: impl FnOnce(&mut Acceptance)) -> HandshakeError {
    let decided = offering_all().decided();
    let mut acceptance = acceptance(&decided.message);
    change(&mut acceptance);
    assert_ne!(accepted(acceptance.clone()), decided.message, "nothing changed");
    accept(decided.initiator, &accepted(acceptance)).unwrap_err()
}

/// What the traveller says of an M2 with one change, signed by `who`.
fn signed_with(who: &Credential, change: impl FnOnce(&mut Acceptance)) -> HandshakeError {
    let decided = offering_all().decided();
    let mut acceptance = acceptance(&decided.message);
    change(&mut acceptance);
    acceptance.signature =
        signed(who, SignatureLabel::Accept, &decided.transcript, &accepted(acceptance.clone()));
    accept(decided.initiator, &accepted(acceptance)).unwrap_err()
}

fn honest() -> Credential {
    helper().credential(available()[0])
}

#[test]
fn downgrade_by_a_lazy_responder() {
    for chosen in [Suite::X25519MlKem768, Suite::Modp2048] {
        let refused = signed_with(&honest(), |acceptance| acceptance.suite = chosen);
        assert_eq!(refused, HandshakeError::Downgrade { chosen, best: Suite::Modp2048MlKem768 });
    }
}

#[test]
fn a_suite_outside_the_offer() {
    let pair = pair(Suite::Modp2048);
    let decided = pair.decided();
    let mut acceptance = acceptance(&decided.message);
    acceptance.suite = Suite::Modp2048MlKem768;
    let unsigned = accepted(acceptance.clone());
    acceptance.signature = signed(&pair.responder, SignatureLabel::Accept, &decided.transcript, &unsigned);
    let refused = accept(decided.initiator, &accepted(acceptance)).unwrap_err();
    assert_eq!(refused, HandshakeError::Downgrade { chosen: Suite::Modp2048MlKem768, best: Suite::Modp2048 });
}

#[test]
fn a_choice_changed_by_a_man_in_the_middle() {
    assert_eq!(tampered(|acceptance| acceptance.suite = Suite::Modp2048), BAD_SIGNATURE);
}

/// Both are under the signature: nobody can change who consented, or when, afterwards.
#[test]
fn consent_of_somebody_else_or_at_another_time() {
    assert_eq!(tampered(|acceptance| acceptance.decision.by = DecidedBy::PolicyAll), BAD_SIGNATURE);
    assert_eq!(tampered(|acceptance| acceptance.decision.at = before(1)), BAD_SIGNATURE);
}

#[test]
fn any_other_signed_field_changed() {
    let other = acceptance(&offering_all().decided().message);
    assert_eq!(tampered(|acceptance| acceptance.nonce = other.nonce), BAD_SIGNATURE);
    assert_eq!(tampered(|acceptance| acceptance.session_id = other.session_id), BAD_SIGNATURE);
    assert_eq!(tampered(|acceptance| acceptance.expires = after(700)), BAD_SIGNATURE);
    assert_eq!(tampered(|acceptance| acceptance.certificate = helper().certificate()), BAD_SIGNATURE);
    assert_eq!(tampered(|acceptance| acceptance.signature.0 = flipped(&other.signature.0)), BAD_SIGNATURE);
}

#[test]
fn the_answer_to_another_request() {
    let other = acceptance(&offering_all().decided().message);
    let swapped = tampered(|acceptance| *acceptance = other.clone());
    assert_eq!(swapped, HandshakeError::Mismatch("request_id"));
    let renamed = tampered(|acceptance| {
        let request_id = acceptance.request_id;
        *acceptance = Acceptance { request_id, ..other };
    });
    assert_eq!(renamed, BAD_SIGNATURE, "the request's nonce is under the signature");
}

#[test]
fn the_answer_of_another_agent() {
    let mallory = mallory().credential(available()[0]);
    let own_papers = |acceptance: &mut Acceptance| {
        acceptance.certificate = mallory.certificate().certificate().clone();
    };
    let refused = signed_with(&mallory, |acceptance| acceptance.agent_id = id("mallory"));
    assert_eq!(refused, HandshakeError::Mismatch("agent_id"));
    let refused = signed_with(&mallory, own_papers);
    assert!(matches!(refused, HandshakeError::Certificate(CertificateError::WrongName { .. })), "{refused}");
    assert_eq!(signed_with(&mallory, |_| ()), BAD_SIGNATURE);
}

/// The controller has certified the same id twice; M1 named the first key.
#[test]
fn a_certificate_of_another_key_under_the_same_id() {
    let second = Draft { key: Key::Mallory, ..helper() }.credential(available()[0]);
    let refused = signed_with(&second, |acceptance| {
        acceptance.certificate = second.certificate().certificate().clone();
    });
    assert_eq!(refused, HandshakeError::Mismatch("certificate"));
}

#[test]
fn a_certificate_of_another_controller_or_out_of_date() {
    let foreign = Draft { controller: Key::Impostor, ..helper() }.certificate();
    let refused = signed_with(&honest(), |acceptance| acceptance.certificate = foreign);
    assert!(
        matches!(refused, HandshakeError::Certificate(CertificateError::WrongController { .. })),
        "{refused}"
    );
    let expired = Draft { issued_at: NOW.saturating_sub(DAY * 2), ..helper() }.certificate();
    let refused = signed_with(&honest(), |acceptance| acceptance.certificate = expired);
    assert!(matches!(refused, HandshakeError::Certificate(CertificateError::Validity(_))), "{refused}");
}

#[test]
fn an_acceptance_that_has_run_out() {
    assert_eq!(signed_with(&honest(), |acceptance| acceptance.expires = before(1)), HandshakeError::NotFresh);
    let decided = offering_all().decided();
    let mut last_moment = acceptance(&decided.message);
    last_moment.expires = NOW;
    let unsigned = accepted(last_moment.clone());
    last_moment.signature = signed(&honest(), SignatureLabel::Accept, &decided.transcript, &unsigned);
    accept(decided.initiator, &accepted(last_moment)).unwrap();
}

#[test]
fn a_signature_for_another_use() {
    let pair = offering_all();
    for label in SignatureLabel::ALL.into_iter().filter(|label| *label != SignatureLabel::Accept) {
        let decided = pair.decided();
        let mut acceptance = acceptance(&decided.message);
        acceptance.signature = signed(&pair.responder, label, &decided.transcript, &decided.message);
        assert_eq!(accept(decided.initiator, &accepted(acceptance)).unwrap_err(), BAD_SIGNATURE, "{label:?}");
    }
}

#[test]
fn the_answer_to_a_request_that_was_changed_on_the_way() {
    let pair = offering_all();
    let decided = pair.decided();
    let mut acceptance = acceptance(&decided.message);
    let mut stripped = pair.asked().message;
    stripped.suites = vec![Suite::Modp2048];
    let mut transcript = Transcript::new();
    transcript.absorb_message(&stripped);
    transcript.absorb_signature(&stripped.signature);
    acceptance.suite = Suite::Modp2048;
    let unsigned = accepted(acceptance.clone());
    acceptance.signature = signed(&pair.responder, SignatureLabel::Accept, &transcript, &unsigned);
    assert_eq!(accept(decided.initiator, &accepted(acceptance)).unwrap_err(), BAD_SIGNATURE);
}

/// An M1 that waits, the transcript that it makes, and the helper's no to it.
fn rejected() -> (AwaitResponse, Transcript, Rejection) {
    let pair = offering_all();
    let Step { next, message: request } = pair.asked();
    let mut transcript = Transcript::new();
    transcript.absorb_message(&request);
    transcript.absorb_signature(&request.signature);
    let response = pair.verify(&request).unwrap().reject(DecidedBy::Operator, NOW).unwrap();
    let Response::Rejected(rejection) = response else { panic!("accepted") };
    (next, transcript, *rejection)
}

fn refused(state: AwaitResponse, rejection: Rejection) -> HandshakeError {
    state.receive(&sent(&Response::Rejected(Box::new(rejection))), verifier(), NOW).unwrap_err()
}

#[test]
fn a_forged_rejection() {
    let (state, _, mut rejection) = rejected();
    rejection.decision.by = DecidedBy::PolicyNone;
    assert_eq!(refused(state, rejection), BAD_SIGNATURE);

    let (state, _, _) = rejected();
    let (_, _, of_another) = rejected();
    assert_eq!(refused(state, of_another), HandshakeError::Mismatch("request_id"));

    let (state, _, mut rejection) = rejected();
    rejection.agent_id = id("mallory");
    assert_eq!(refused(state, rejection), HandshakeError::Mismatch("agent_id"));
}

#[test]
fn a_rejection_signed_by_another_agent_or_for_another_use() {
    let mallory = mallory().credential(available()[0]);
    for (who, label) in [(&mallory, SignatureLabel::Reject), (&honest(), SignatureLabel::Accept)] {
        let (state, transcript, mut rejection) = rejected();
        let unsigned = Response::Rejected(Box::new(rejection.clone()));
        rejection.signature = signed(who, label, &transcript, &unsigned);
        assert_eq!(refused(state, rejection), BAD_SIGNATURE);
    }
    let (state, _, mut rejection) = rejected();
    rejection.certificate = mallory.certificate().certificate().clone();
    let error = refused(state, rejection);
    assert!(matches!(error, HandshakeError::Certificate(CertificateError::WrongName { .. })), "{error}");
}

#[test]
fn a_no_turned_into_a_yes() {
    let (state, _, rejection) = rejected();
    let mut acceptance = acceptance(&offering_all().decided().message);
    acceptance.request_id = rejection.request_id;
    acceptance.decision = rejection.decision;
    acceptance.signature = rejection.signature;
    assert_eq!(accept(state, &accepted(acceptance)).unwrap_err(), BAD_SIGNATURE);
}
