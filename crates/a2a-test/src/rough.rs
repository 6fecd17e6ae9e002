//! A rough network: what goes through arrives late, connections break, and one direction ends before the other. It sees
//! nothing but bytes: TLS goes through untouched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, sink};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A way to somebody.
#[derive(Debug)]
pub struct RoughWay {
    /// Where it begins.
    pub socket: SocketAddr,
    /// What has been done on it.
    pub harm: Arc<Harm>,
}

/// What has been done on purpose.
#[derive(Debug, Default)]
pub struct Harm {
    /// Connections.
    pub connections: AtomicUsize,
    /// Bytes that were held back for a while, as one.
    pub delays: AtomicUsize,
    /// Connections that were cut.
    pub cuts: AtomicUsize,
    /// Connections of which one direction was ended.
    pub half_closed: AtomicUsize,
}

/// What becomes of one direction of a connection.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The connection is cut after so many bytes.
    Cut(usize),
    /// This direction ends after so many bytes, and the other goes on.
    HalfClosed(usize),
}

/// A connection is no more.
struct Broken;

impl RoughWay {
    /// Leads to `behind`, whether anybody is there or not.
    pub async fn to(behind: SocketAddr, mut chance: Rng) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (socket, harm) = (listener.local_addr().unwrap(), Arc::<Harm>::default());
        let counted = harm.clone();
        tokio::spawn(async move {
            let mut storm = 0;
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::Relaxed);
                if storm > 0 {
                    storm -= 1;
                } else if chance.u64(..ONE_STORM_IN) == 0 {
                    storm = STORM;
                }
                let fates = [(); 2].map(|()| Fate::of(&mut chance, storm > 0));
                tokio::spawn(carry(stream, behind, fates, chance.fork(), counted.clone()));
            }
        });
        Self { socket, harm }
    }
}

async fn carry(near: TcpStream, behind: SocketAddr, fates: [Fate; 2], mut chance: Rng, harm: Arc<Harm>) {
    let Ok(far) = TcpStream::connect(behind).await else { return };
    for stream in [&near, &far] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let [mut there, mut back] =
        fates.map(|fate| Direction { fate, chance: chance.fork(), harm: harm.clone() });
    // Whichever is broken takes the other with it.
    let _ = tokio::try_join!(there.pump(from_near, to_far), back.pump(from_far, to_near));
}

struct Direction {
    fate: Fate,
    chance: Rng,
    harm: Arc<Harm>,
}

impl Direction {
    async fn pump(&mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Result<(), Broken> {
        let (mut passed, mut buffer) = (0, vec![0; LARGEST_CHUNK]);
        loop {
            let size = 1 + self.chance.usize(..LARGEST_CHUNK);
            let read = from.read(&mut buffer[..size]).await.map_err(|_| Broken)?;
            if read == 0 {
                return to.shutdown().await.map_err(|_| Broken);
            }
            if self.chance.u64(..ONE_DELAYED_IN) == 0 {
                self.harm.delays.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(LONGEST_DELAY.mul_f64(self.chance.f64())).await;
            }
            let (Fate::Cut(left) | Fate::HalfClosed(left)) = self.fate;
            let let_through = read.min(left - passed);
            to.write_all(&buffer[..let_through]).await.map_err(|_| Broken)?;
            passed += let_through;
            if passed < left {
                continue;
            }
            if let Fate::Cut(_) = self.fate {
                self.harm.cuts.fetch_add(1, Ordering::Relaxed);
                return Err(Broken);
            }
            self.harm.half_closed.fetch_add(1, Ordering::Relaxed);
            to.shutdown().await.map_err(|_| Broken)?;
            // What still comes goes nowhere.
            return copy(&mut from, &mut sink()).await.map(drop).map_err(|_| Broken);
        }
    }
}

impl Fate {
    /// Every connection comes to its end: in a storm before there is TLS, else later, mostly.
    fn of(chance: &mut Rng, is_storm: bool) -> Self {
        let limit = match chance.u64(..6) {
            _ if is_storm => IN_A_STORM,
            0 => SOON,
            _ => LATER,
        };
        let bytes = 1 + chance.usize(..limit);
        if chance.u64(..3) == 0 { Self::HalfClosed(bytes) } else { Self::Cut(bytes) }
    }
}

const LARGEST_CHUNK: usize = 2048;
const ONE_DELAYED_IN: u64 = 8;
const LONGEST_DELAY: Duration = Duration::from_millis(40);
/// Bytes within which the set-up of a session is cut.
const SOON: usize = 8 * 1024;
/// Bytes within which messages are.
const LATER: usize = 16 * 1024;
/// Bytes within which even TLS is.
const IN_A_STORM: usize = 1024;
const ONE_STORM_IN: u64 = 12;
/// Connections in a row: more than an agent tries before it gives up.
const STORM: usize = 6;
