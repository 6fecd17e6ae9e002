//! What a controller that serves does by itself, twice a second: it looks at what others have committed, keeps its TLS
//! certificate fresh, and notes how far the audit has come.

use std::sync::Arc;
use std::time::Duration;

use a2a_node::error::NodeError;
use a2a_node::metrics::Queue;
use tokio::time::MissedTickBehavior;

use crate::own_tls::OwnTls;
use crate::serving::Serving;

/// Goes on until it is dropped. What fails is told once, and tried again.
pub(crate) async fn tick(serving: Arc<Serving>, tls: Arc<OwnTls>) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = serving.controller.progress().borrow().audit_head;
    let mut is_failing = false;
    loop {
        interval.tick().await;
        let outcome = once(&serving, &tls, &mut kept).await;
        match &outcome {
            Err(error) if !is_failing => tracing::error!(%error, "the controller cannot do all of its work"),
            Ok(()) if is_failing => tracing::info!("the controller can do its work again"),
            Ok(()) | Err(_) => {}
        }
        is_failing = outcome.is_err();
    }
}

async fn once(serving: &Serving, tls: &OwnTls, kept: &mut crate::store::AuditHead) -> Result<(), NodeError> {
    let controller = &serving.controller;
    controller.refresh().await?;
    controller.metrics.queue(Queue::Held, serving.held.len());
    tls.renew_if_due(controller.clock.now())?;
    let head = controller.progress().borrow().audit_head;
    if head != *kept {
        controller.keep_anchor().await?;
        let counts = controller.store.counts(controller.clock.now()).await?;
        controller.metrics.queue(Queue::Approvals, usize::try_from(counts.approvals).unwrap_or(usize::MAX));
        *kept = head;
    }
    Ok(())
}

const INTERVAL: Duration = Duration::from_millis(500);
