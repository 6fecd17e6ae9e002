//! The `a2a/1` protocol without I/O.
//!
//! Two agents that have never met prove who they are, agree on keys after a person has consented, and
//! exchange frames that nobody else can read, change, replay or fake. This crate holds all of that and
//! nothing else: no sockets, files, environment or clock. Bytes and the present time come in; bytes and
//! typed errors go out. `docs/PROTOCOL.md` is the normative text, and `docs/ARCHITECTURE.md` the map.
//!
//! Reading order: names and encodings, then the list of algorithms, then certificates, the handshake that
//! they authenticate, and the session that the handshake yields.

pub mod agent_id;
pub mod text;
pub mod time;
pub mod wire;

pub mod crypto;

pub mod certificate;
pub mod handshake;
pub mod session;

/// The one protocol version this crate speaks, as it stands in cards and requests.
pub const PROTOCOL_VERSION: u32 = 1;
