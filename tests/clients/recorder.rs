//! A door before the door: passes everything on, and keeps what was said.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// What one connection sent and was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    pub sent: Vec<u8>,
    pub answered: Vec<u8>,
}

type Kept = Arc<Mutex<Vec<Conversation>>>;

/// See the module.
pub struct Recorder {
    pub addr: String,
    kept: Kept,
    over: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a port of `door`'s host and passes on to `door`.
    pub fn before(door: &str) -> io::Result<Recorder> {
        let host = door.rsplit_once(':').map_or(door, |(host, _)| host);
        let listener = TcpListener::bind((host, 0))?;
        let addr = listener.local_addr()?.to_string();
        let (kept, over) = (Kept::default(), Arc::new(AtomicBool::new(false)));
        let listening = {
            let (door, kept, over) = (door.to_owned(), Arc::clone(&kept), Arc::clone(&over));
            thread::spawn(move || listen(&listener, &door, &kept, &over))
        };
        Ok(Recorder { addr, kept, over, listening })
    }

    /// What was said; its clients are gone, or lose their connections now.
    pub fn conversations(self) -> Vec<Conversation> {
        self.over.store(true, Ordering::SeqCst);
        // It waits for a client: this is its last.
        drop(TcpStream::connect(&self.addr));
        self.listening.join().expect("the listener does not panic");
        let kept = std::mem::take(&mut *lock(&self.kept));
        kept.into_iter().filter(|said| !said.sent.is_empty()).collect()
    }
}

fn lock(kept: &Kept) -> MutexGuard<'_, Vec<Conversation>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(listener: &TcpListener, door: &str, kept: &Kept, over: &AtomicBool) {
    thread::scope(|scope| {
        for client in listener.incoming().take_while(|_| !over.load(Ordering::SeqCst)).flatten() {
            let Ok(server) = TcpStream::connect(door) else { continue };
            let at = lock(kept).len();
            lock(kept).push(Conversation::default());
            let (mut from, mut to) =
                (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            scope.spawn(move || pass(&mut from, &mut to, |bytes| lock(kept)[at].sent.extend(bytes)));
            let (mut from, mut to) = (server, client);
            scope.spawn(move || pass(&mut from, &mut to, |bytes| lock(kept)[at].answered.extend(bytes)));
        }
    });
}

/// Passes on what comes until no more does.
fn pass(from: &mut TcpStream, to: &mut TcpStream, keep: impl Fn(&[u8])) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        keep(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = to.shutdown(Shutdown::Write);
}
