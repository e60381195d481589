//! Clients that misbehave: each kind at each door.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::DEADLINE;
use crate::clients::{Door, connect};
use crate::node::Node;

/// The most that the node held at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    pub descriptors: usize,
    pub resident_kib: u64,
}

/// How often the node is looked at.
const LOOK_EVERY: usize = 250;

/// Sends `many` clients that misbehave, at most `at_once` at one time, to both doors.
pub async fn send(node: &Node, many: usize, at_once: usize) -> Peak {
    let places = Arc::new(Semaphore::new(at_once));
    let held = Duration::from_millis(at_once as u64 / 5);
    let unfinished = Rc::new(Cell::new(0));
    let mut peak = Peak::default();
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            for k in 0..many {
                let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
                let door = if k % 2 == 0 { Door::Resp } else { Door::Http };
                let (addr, unfinished) = (node.addr(door), Rc::clone(&unfinished));
                unfinished.set(unfinished.get() + 1);
                tokio::task::spawn_local(async move {
                    misbehave(connect(addr, k).await, door, k, held).await;
                    unfinished.set(unfinished.get() - 1);
                    drop(place);
                });
                if k % LOOK_EVERY == LOOK_EVERY - 1 {
                    peak.descriptors = peak.descriptors.max(node.descriptors());
                    peak.resident_kib = peak.resident_kib.max(node.resident_kib());
                }
            }
            let all = u32::try_from(at_once).expect("a size");
            let free = timeout(DEADLINE, places.acquire_many(all)).await.expect("they end in time");
            drop(free.expect("nobody closes it"));
        })
        .await;
    assert_eq!(unfinished.get(), 0, "clients that did not get as far as they should");
    peak
}

/// One client; whatever the node does about it is right, as long as it lets it go.
async fn misbehave(mut stream: TcpStream, door: Door, k: usize, held: Duration) {
    let begun: &[u8] = match door {
        Door::Resp => b"*3\r\n$3\r\nSET\r\n$5\r\nhalf-",
        Door::Http => b"PUT /api/v1/store/half HTTP/1.1\r\nhost: h\r\ncontent-le",
    };
    match k / 2 % 4 {
        // Bytes that mean nothing, to their end.
        0 => {
            let mut bytes = vec![0; 16 + k % 2_000];
            ChaCha8Rng::seed_from_u64(k as u64).fill_bytes(&mut bytes);
            // It may have hung up already.
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            let _ = timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("it hangs up in time");
        }
        // A request that stops in its middle, and is reset later.
        1 => {
            let _ = stream.write_all(begun).await;
            sleep(held).await;
            let _ = stream.set_zero_linger();
        }
        // The same, a byte at a time.
        2 => {
            for byte in begun {
                let _ = stream.write_all(&[*byte]).await;
                sleep(held / 40).await;
            }
        }
        // Nothing at all.
        _ => sleep(held).await,
    }
}
