//! A TCP proxy in front of replicas: it delays, cuts connections and flips bits.
//!
//! Invariants:
//! - bytes keep their order, whatever the delays that are drawn for them: TCP would not break it either;
//! - what is drawn follows from the seed, the number of the connection, and the pieces in which bytes arrive;
//! - dropped, it ends with all its connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use quorate_wal::testkit::SplitMix;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Bytes that are taken at one time.
const PIECE_BYTES: usize = 4096;
/// Pieces on their way in one direction of a connection; then it takes no more.
const PIECES_MAX: usize = 256;

/// What befalls bytes and connections; all calm at first.
#[derive(Default)]
pub struct Weather {
    /// The longest delay of a piece, milliseconds.
    pub delay_ms_max: AtomicU64,
    /// One piece in so many has a bit flipped; 0: none.
    pub flip_one_in: AtomicU64,
    /// Bits that were flipped.
    pub flipped: AtomicU64,
    /// Connections that were taken.
    pub connections: AtomicU64,
}

/// See the module's head.
pub struct Proxy {
    pub weather: Arc<Weather>,
    /// Its changes end all connections that there are.
    cuts: watch::Sender<u64>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on the first address of each way and dials the second for each connection.
    pub fn start(ways: &[(String, String)], seed: u64) -> std::io::Result<Proxy> {
        let (cuts, cut) = watch::channel(0);
        let (weather, stop) = (Arc::new(Weather::default()), Arc::new(Notify::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut listeners = Vec::new();
        for (from, to) in ways {
            let to: SocketAddr = to.parse().map_err(std::io::Error::other)?;
            listeners.push((runtime.block_on(TcpListener::bind(from))?, to));
        }
        let carrier = Carrier { weather: Arc::clone(&weather), cut, seed };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let mut doors = JoinSet::new();
                for (listener, to) in listeners {
                    doors.spawn(carrier.clone().serve(listener, to));
                }
                stopped.notified().await;
            });
        });
        Ok(Proxy { weather, cuts, stop, thread: Some(thread) })
    }

    /// Ends all connections; new ones may be made at once.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// From now on nothing befalls anyone.
    pub fn calm(&self) {
        self.weather.delay_ms_max.store(0, Ordering::Relaxed);
        self.weather.flip_one_in.store(0, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.notify_one();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Carrier {
    weather: Arc<Weather>,
    cut: watch::Receiver<u64>,
    seed: u64,
}

impl Carrier {
    async fn serve(self, listener: TcpListener, to: SocketAddr) {
        let mut connections = JoinSet::new();
        // A listener's errors are those of single connections.
        loop {
            while connections.try_join_next().is_some() {}
            if let Ok((near, _)) = listener.accept().await {
                let number = self.weather.connections.fetch_add(1, Ordering::Relaxed);
                connections.spawn(self.clone().carry(near, to, number));
            }
        }
    }

    /// Carries bytes both ways until one side ends, or the connection is cut.
    async fn carry(mut self, near: TcpStream, to: SocketAddr, number: u64) {
        self.cut.mark_unchanged();
        let Ok(far) = TcpStream::connect(to).await else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        let chance =
            |way: u64| SplitMix::new(self.seed ^ (number * 2 + way).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (there, back) = (chance(0), chance(1));
        tokio::select! {
            () = self.pass(near_in, far_out, there) => {}
            () = self.pass(far_in, near_out, back) => {}
            _ = async { self.cut.clone().changed().await } => {}
        }
    }

    async fn pass(&self, from: impl AsyncRead + Unpin, to: impl AsyncWrite + Unpin, chance: SplitMix) {
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        tokio::join!(self.take(from, sender, chance), give(receiver, to));
    }

    async fn take(
        &self,
        mut from: impl AsyncRead + Unpin,
        pieces: mpsc::Sender<(Instant, Vec<u8>)>,
        mut chance: SplitMix,
    ) {
        let mut due = Instant::now();
        let mut bytes = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            let mut piece = bytes[..count].to_vec();
            let delay_ms = chance.below(self.weather.delay_ms_max.load(Ordering::Relaxed) + 1);
            // Never before the piece that came before.
            due = due.max(Instant::now() + Duration::from_millis(delay_ms));
            self.flip(&mut piece, &mut chance);
            if pieces.send((due, piece)).await.is_err() {
                return;
            }
        }
    }

    fn flip(&self, piece: &mut [u8], chance: &mut SplitMix) {
        let one_in = self.weather.flip_one_in.load(Ordering::Relaxed);
        if one_in > 0 && chance.one_in(one_in) {
            let at = chance.below(piece.len() as u64) as usize;
            piece[at] ^= 1 << chance.below(8);
            self.weather.flipped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn give(mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>, mut to: impl AsyncWrite + Unpin) {
    while let Some((due, piece)) = pieces.recv().await {
        tokio::time::sleep_until(due).await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}
