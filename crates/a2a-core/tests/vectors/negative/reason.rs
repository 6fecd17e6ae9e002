//! Reasons as short words that stay when the wording of an error changes.

use a2a_core::certificate::CertificateError;
use a2a_core::crypto::CryptoError;
use a2a_core::handshake::HandshakeError;
use a2a_core::handshake::responder::EstablishError;
use a2a_core::session::SessionError;

/// Why a message has been refused.
pub(crate) trait Reason {
    fn reason(&self) -> String;
}

impl Reason for HandshakeError {
    fn reason(&self) -> String {
        match self {
            Self::Version(_) => "version".into(),
            Self::NoCommonSuite => "no common suite".into(),
            Self::Certificate(error) => format!("certificate: {}", error.reason()),
            Self::Crypto(error) => error.reason(),
            Self::Mismatch(field) => format!("field {field}"),
            Self::WrongRecipient => "wrong recipient".into(),
            Self::SelfPeer => "self".into(),
            Self::NotFresh => "not fresh".into(),
            Self::Downgrade { .. } => "downgrade".into(),
            other => panic!("no flawed message leads to {other:?}"),
        }
    }
}

impl Reason for CertificateError {
    fn reason(&self) -> String {
        match self {
            Self::WrongController { .. } => "controller".into(),
            Self::ControllerSignature => "controller's signature".into(),
            Self::Validity(_) => "validity".into(),
            Self::WrongName { .. } => "name".into(),
            other => panic!("no flawed message leads to {other:?}"),
        }
    }
}

impl Reason for CryptoError {
    fn reason(&self) -> String {
        match self {
            Self::BadGroup => "group".into(),
            Self::BadShare(_) => "share".into(),
            Self::BadSignature => "signature".into(),
            Self::BadTag => "confirm".into(),
            other => panic!("no flawed message leads to {other:?}"),
        }
    }
}

impl Reason for EstablishError {
    fn reason(&self) -> String {
        match self {
            Self::Handshake(error) => error.reason(),
            Self::Session(error) => error.reason(),
        }
    }
}

impl Reason for SessionError {
    fn reason(&self) -> String {
        match self {
            Self::OutOfOrder { .. } => "out of order".into(),
            Self::BadFrame => "frame".into(),
            Self::BadContent(_) => "content".into(),
            Self::BadAck => "ack".into(),
            other => panic!("no flawed message leads to {other:?}"),
        }
    }
}
