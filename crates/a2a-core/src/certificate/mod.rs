//! Certificates: a card that an agent signs, certified by the controller, verified offline by anyone who
//! knows the controller's key.
//!
//! An [`AgentCertificate`] is parsed; a [`VerifiedCertificate`] is verified, and only [`TrustAnchor::verify`]
//! makes one. Fetching, storing and revoking certificates is not done here.

pub mod card;
pub mod enrolment;

pub mod authority;
pub mod verify;

pub use authority::Authority;
pub use card::{AgentCard, AgentCertificate, MethodName};
pub use enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, EnrolmentError, EnrolmentRequest, EnrolmentResponse,
};
pub use verify::{CertificateError, StructureFlaw, TrustAnchor, VerifiedCertificate};
