//! One sender after another: a line is what one sender sends over, one message at a time, each acknowledged.

use std::time::{Duration, Instant};

use a2a_node::agent::AgentNode;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::failure::{Failure, OrFail};
use crate::floor;
use crate::stats::Latencies;
use crate::text::{self, line_of};
use crate::world::{Sender, World, joined};

/// What a sender sends over.
pub(super) struct Line {
    way: Way,
    number: u32,
    place: u32,
}

enum Way {
    /// A connection to the floor.
    Floor(floor::Connection),
    /// The same with another client.
    Reqwest(reqwest::Client, String),
    /// A session of ours.
    Session(AgentNode, Uuid),
}

/// What has been sent in a time.
pub(super) struct Sent {
    pub(super) texts: u64,
    pub(super) took: Duration,
    pub(super) latencies: Latencies,
}

impl Line {
    /// A session that has its keys, over which nothing has been sent.
    pub(super) fn session(sender: &Sender, session: Uuid) -> Self {
        Self { way: Way::Session(sender.node.clone(), session), number: line_of(session), place: 0 }
    }

    /// A new connection to the floor.
    pub(super) async fn floor(world: &mut World) -> Result<Self, Failure> {
        let connection = floor::Connection::open(&world.floor_at).await?;
        Ok(Self { way: Way::Floor(connection), number: world.next_line(), place: 0 })
    }

    /// A client of its own for the floor, with one connection.
    pub(super) fn reqwest(world: &mut World) -> Result<Self, Failure> {
        let failed = || "reqwest".to_owned();
        let tls = floor::client_config(&world.floor_at.certificate)?;
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().tcp_nodelay(true);
        let url = format!("https://localhost:{}/text", world.floor_at.address.port());
        let way = Way::Reqwest(client.build().or_fail(failed)?, url);
        Ok(Self { way, number: world.next_line(), place: 0 })
    }

    /// Sends a text of this size and waits until it is acknowledged.
    pub(super) async fn send(&mut self, size: usize) -> Result<(), Failure> {
        let text = text::make(self.number, self.place, size);
        self.place = self.place.wrapping_add(1);
        match &mut self.way {
            Way::Floor(connection) => connection.send(text, None).await,
            Way::Reqwest(client, url) => {
                let answer = client.post(url.as_str()).body(text).send().await;
                let answer = answer.and_then(reqwest::Response::error_for_status);
                let body = answer.or_fail(|| "the floor gives no answer".into())?.bytes().await;
                body.map(drop).or_fail(|| "the floor gives no answer".into())
            }
            Way::Session(node, session) => {
                let delivered = node.send(*session, text).await;
                delivered.map(drop).or_fail(|| "a message has not been delivered".into())
            }
        }
    }
}

/// Lets all lines send texts of this size for a while, each as fast as its answers come.
pub(super) async fn send_for(
    lines: Vec<Line>,
    size: usize,
    length: Duration,
) -> Result<(Vec<Line>, Sent), Failure> {
    let began = Instant::now();
    let mut sending = JoinSet::new();
    for mut line in lines {
        sending.spawn(async move {
            let (mut latencies, mut texts) = (Latencies::default(), 0);
            loop {
                let sent_at = Instant::now();
                if sent_at - began >= length {
                    return Ok((line, texts, latencies));
                }
                line.send(size).await?;
                latencies.record(sent_at.elapsed());
                texts += 1;
            }
        });
    }
    let (mut lines, mut all, mut latencies) = (Vec::new(), 0, Latencies::default());
    while let Some(ended) = sending.join_next().await {
        let (line, texts, of_line) = joined(Some(ended))?;
        lines.push(line);
        all += texts;
        latencies.add(&of_line);
    }
    Ok((lines, Sent { texts: all, took: began.elapsed(), latencies }))
}
