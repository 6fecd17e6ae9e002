//! How many connections there may be: in all, and from one source, so that nobody holds all of them.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::penalty::network;

/// Turns away connections over the limits, and sends small answers at once (`TCP_NODELAY`).
#[derive(Debug, Clone)]
pub(super) struct Connections {
    limit: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// A connection that counts for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted {
    stream: TcpStream,
    _place: Place,
}

#[derive(Debug)]
struct Place {
    open: Arc<Mutex<Open>>,
    source: IpAddr,
}

impl Connections {
    /// So many in all, and half of them from one source.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Arc::default() }
    }

    fn admit(&self, source: IpAddr) -> Option<Place> {
        let source = network(source);
        let mut open = lock(&self.open);
        let of_source = open.by_source.get(&source).copied().unwrap_or_default();
        if open.all >= self.limit || of_source >= self.limit.div_ceil(2) {
            return None;
        }
        open.all += 1;
        open.by_source.insert(source, of_source + 1);
        Some(Place { open: self.open.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        open.all -= 1;
        if let Some(of_source) = open.by_source.get_mut(&self.source) {
            *of_source -= 1;
            if *of_source == 0 {
                open.by_source.remove(&self.source);
            }
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S> Accept<TcpStream, S> for Connections {
    type Stream = Counted;
    type Service = S;
    type Future = Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let admitted = stream.peer_addr().and_then(|peer| {
            let place = self.admit(peer.ip()).ok_or_else(|| io::Error::other("too many connections"))?;
            stream.set_nodelay(true)?;
            Ok(place)
        });
        ready(admitted.map(|place| (Counted { stream, _place: place }, service)))
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn source(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn one_source_gets_half_and_all_together_the_limit() {
        let connections = Connections::new(4);
        let admit = |last| connections.admit(source(last));
        let (first, _second) = (admit(1).unwrap(), admit(1).unwrap());
        assert!(admit(1).is_none());
        let (_third, fourth) = (admit(2).unwrap(), admit(3).unwrap());
        assert!(admit(4).is_none());
        drop(first);
        let _again = admit(1).unwrap();
        drop(fourth);
        assert!(admit(1).is_none());
        admit(2).unwrap();
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let connections = Connections::new(1);
        for last in 0..9 {
            connections.admit(source(last)).unwrap();
        }
        let open = lock(&connections.open);
        assert_eq!((open.all, open.by_source.len()), (0, 0));
    }
}
