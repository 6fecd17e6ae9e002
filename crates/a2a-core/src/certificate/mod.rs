//! Certificates: a card that an agent signs, certified by the controller, verified offline by anyone who
//! knows the controller's key.
//!
//! An [`AgentCertificate`] is parsed; a [`VerifiedCertificate`] is verified, and only [`TrustAnchor::verify`]
//! makes one. What a peer shows is judged by a [`Verifier`], which knows what has been
//! revoked. Fetching and storing is not done here.

pub mod card;
pub mod enrolment;
pub mod fingerprint;
pub mod known;
pub mod revocation;
pub mod succession;
pub mod token;

pub mod authority;
pub mod verify;

pub use authority::{Authority, Grant};
pub use card::{AgentCard, AgentCertificate, MethodName};
pub use enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, EnrolmentError, EnrolmentRequest, EnrolmentResponse,
    RenewalRequest,
};
pub use known::KnownCertificates;
pub use revocation::{RevocationContent, RevocationError, RevocationList, Revocations, Standing};
pub use succession::{FormerKey, Succession, SuccessionError};
pub use token::{JoinSecret, JoinToken};
pub use verify::{CertificateError, StructureFlaw, TrustAnchor, VerifiedCertificate, Verifier};
