//! A controller on its store and its keys: what the handlers of a controller that serves and the commands beside it
//! have in common.
//!
//! It neither listens nor decides. What is decided stands in `enrolment` and `operator`.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::authority::Authority;
use a2a_core::certificate::enrolment::ControllerInfo;
use a2a_core::certificate::succession::MAX_SUCCESSIONS;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::{KeyId, Signer};
use a2a_core::time::UnixTime;
use a2a_node::args::{ControllerConfig, DatabaseUrl};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use a2a_node::metrics::{Metrics, NodeKind};
use a2a_node::passphrase::Passphrase;
use serde_json::json;
use tokio::sync::{Mutex, watch};

use crate::challenges::Challenges;
use crate::import;
use crate::keys::{Found, Keys};
use crate::secret::{ControllerSecret, SecretLabel};
use crate::store::{Anchor, AuditKey, Change, Database, Event, Kept, Refusals, State, Store, StoreError};
use crate::tls_authority::TlsAuthority;

/// See the module.
#[derive(Debug)]
pub(crate) struct Controller {
    pub(crate) id: AgentId,
    pub(crate) certificate_life: Duration,
    pub(crate) revocation_life: Duration,
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) passphrase: Option<Passphrase>,
    pub(crate) challenges: Challenges,
    pub(crate) tls: Arc<TlsAuthority>,
    pub(crate) clock: Clock,
    pub(crate) provider: Provider,
    pub(crate) refusals: Refusals,
    pub(crate) metrics: Arc<Metrics>,
    anchor: Anchor,
    /// One looks at a time, so that a slow one does not put an older key in the place of a newer.
    looking: Mutex<()>,
    active: RwLock<Arc<Active>>,
    /// What was last seen of the store's state row.
    progress: watch::Sender<State>,
}

/// The key that certifies now, and what is said under it.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) key_id: KeyId,
    pub(crate) authority: Authority,
    pub(crate) info: ControllerInfo,
}

impl Controller {
    /// Opens store and keys, and makes what is missing. Others may have them open, too.
    pub(crate) async fn open(
        config: &ControllerConfig,
        clock: Clock,
        provider: Provider,
    ) -> Result<Self, NodeError> {
        let (now, passphrase) = (clock.now(), config.passphrase.clone());
        // For the database, which may be made before anything else is.
        KeyDir::open(&config.data_dir, None)?;
        let keys = Keys { dir: KeyDir::open(&config.key_dir, passphrase.clone())?, provider };
        let (secret, tls, found) = blocking({
            let (keys, id) = (keys.clone(), config.controller_id.clone());
            move || {
                keys.alone(|| {
                    let found = keys.found();
                    let secret = ControllerSecret::load_or_generate(&keys.dir, provider)?;
                    Ok((secret, TlsAuthority::load_or_generate(&keys.dir, &id, now)?, found))
                })
            }
        })
        .await?;
        let database = config.database.as_ref().map(DatabaseUrl::secret);
        let database = Database::resolve(database, &config.data_dir)?;
        let store = Store::open(&database, AuditKey::new(secret.derive(SecretLabel::Audit))).await?;
        check_secrets(&store, &keys, found).await?;
        let state = claimed(&store, &keys, &config.controller_id, now).await?;
        let active = activate(&store, &keys, &tls, &state).await?;
        let controller = Self {
            id: config.controller_id.clone(),
            certificate_life: config.certificate_life,
            revocation_life: config.revocation_life,
            store,
            keys,
            passphrase,
            challenges: Challenges::new(secret.derive(SecretLabel::Challenge)),
            tls: Arc::new(tls),
            clock,
            provider,
            refusals: Refusals::default(),
            metrics: Arc::new(Metrics::new(NodeKind::Controller)),
            anchor: Anchor::new(&config.data_dir),
            looking: Mutex::default(),
            active: RwLock::new(Arc::new(active)),
            progress: watch::Sender::new(state),
        };
        import::registry(&controller, &config.data_dir).await?;
        controller.check_anchor().await?;
        Ok(controller)
    }

    /// The key that certifies now, as far as this process knows.
    pub(crate) fn active(&self) -> Arc<Active> {
        self.active.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The latest state that was seen, and every one after it.
    pub(crate) fn progress(&self) -> watch::Receiver<State> {
        self.progress.subscribe()
    }

    /// Makes a change last, and lets whoever waits for news know.
    pub(crate) async fn commit(&self, change: Change) -> Result<State, StoreError> {
        let state = change.commit().await?;
        self.publish(state.clone());
        Ok(state)
    }

    /// Looks at what others have committed. If they have changed the controller's key, loads the new one; until that
    /// succeeds the new state is not let known, so that nobody signs for it under the old key.
    pub(crate) async fn refresh(&self) -> Result<(), NodeError> {
        let _looking = self.looking.lock().await;
        let state = self.store.state().await?;
        if state.key_id != Some(self.active().key_id) {
            let active = activate(&self.store, &self.keys, &self.tls, &state).await?;
            tracing::info!(key_id = %active.key_id, "the controller's key has a successor, which certifies from now on");
            *self.active.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(active);
        }
        self.publish(state);
        Ok(())
    }

    /// As [`Controller::keep_anchor`], at the start: what this directory has seen has to be there.
    async fn check_anchor(&self) -> Result<(), NodeError> {
        self.keep_anchor().await?;
        let anchor = self.anchor.clone();
        let known = blocking(move || Ok(anchor.read()?)).await?;
        let found = self.store.state().await?.audit_head;
        if let Some(known) = known.filter(|known| known.seq > found.seq) {
            let (known, found) = (known.seq, found.seq);
            tracing::error!(
                known,
                found,
                "the audit was cut or the database set back: run `controller audit verify`"
            );
        }
        Ok(())
    }

    /// Notes in the data directory how far the audit has come. Whoever sets the database back is found out by it.
    pub(crate) async fn keep_anchor(&self) -> Result<(), NodeError> {
        let (anchor, head) = (self.anchor.clone(), self.progress.borrow().audit_head);
        if let Kept::Behind(known) = blocking(move || Ok(anchor.keep(head)?)).await? {
            tracing::debug!(
                known = known.seq,
                found = head.seq,
                "another process has seen more of the audit"
            );
        }
        Ok(())
    }

    /// Where the audit was known to end.
    pub(crate) fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    fn publish(&self, state: State) {
        self.progress.send_if_modified(|known| {
            let is_news = state.version > known.version;
            if is_news {
                *known = state;
            }
            is_news
        });
    }
}

/// Under secrets that were made a moment ago nobody may go on with a store that has an owner: the chain of its audit would
/// break, and its agents know another TLS root. Another controller may have taken the store with these very secrets.
async fn check_secrets(store: &Store, keys: &Keys, found: Found) -> Result<(), NodeError> {
    let State { controller_id: Some(owner), key_id: Some(key_id), .. } = store.state().await? else {
        return Ok(());
    };
    let shares_them = !found.identity && keys.load(key_id).is_ok();
    if found.missing.is_empty() || shares_them {
        return Ok(());
    }
    let dir = keys.dir.path().display();
    keys.drop_new(&found)?;
    Err(NodeError::Environment(format!(
        "the database is that of {owner}, whose keys are not all in {dir}: copy {} there from a controller that has them, or \
         name their directory with --key-dir",
        Keys::FILES
    )))
}

/// Takes a new store for this controller; finds out whose an old one is.
async fn claimed(
    store: &Store,
    keys: &Keys,
    controller_id: &AgentId,
    now: UnixTime,
) -> Result<State, NodeError> {
    let state = store.state().await?;
    match (&state.controller_id, state.key_id) {
        (Some(owner), Some(_)) if owner == controller_id => return Ok(state),
        (Some(owner), Some(key_id)) => {
            return Err(StoreError::Claimed { controller_id: owner.clone(), key_id }.into());
        }
        _ => {}
    }
    let first = blocking({
        let keys = keys.clone();
        move || keys.alone(|| keys.first())
    })
    .await?;
    let key_id = first.public_key().key_id();
    let mut change = store.begin().await?;
    let is_new = change.state().key_id.is_none();
    change.claim_controller(controller_id, key_id)?;
    if is_new {
        change.next_list_number(now);
        change.record(now, Event::KeyMade, None, json!({ "key_id": key_id })).await?;
    }
    Ok(change.commit().await?)
}

/// Loads the key that certifies in this state, and states who the controller is.
async fn activate(
    store: &Store,
    keys: &Keys,
    tls: &TlsAuthority,
    state: &State,
) -> Result<Active, NodeError> {
    let key_id = state
        .key_id
        .ok_or_else(|| NodeError::Environment("the store belongs to no controller".to_owned()))?;
    let controller_id = state.controller_id.clone();
    let controller_id = controller_id
        .ok_or_else(|| NodeError::Environment("the store belongs to no controller".to_owned()))?;
    let mut successions = store.successions().await?;
    // The oldest steps are left out: who has missed so many needs a new first contact.
    successions.drain(..successions.len().saturating_sub(MAX_SUCCESSIONS));
    let (keys, tls_root) = (keys.clone(), tls.root_pem().to_owned());
    blocking(move || {
        let key: Arc<dyn Signer> = keys.load(key_id)?;
        let authority = Authority::new(controller_id, key, keys.provider);
        let info = authority
            .info(tls_root, successions)
            .map_err(|error| NodeError::Environment(format!("the controller cannot sign: {error}")))?;
        Ok(Active { key_id, authority, info })
    })
    .await
}

/// Runs what does RSA, Argon2id or waits for the disk where no async worker waits for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.map_err(|error| NodeError::Environment(error.to_string()))?
}
