//! Thousands of clients that say nothing, or nothing that makes sense, against a real node at both of its doors.
//!
//! What is asserted is what must hold on any machine: the node answers, what a limit refuses it refuses by name, every
//! connection is let go, an idle one costs 20,000 bytes at most, garbage that comes again does with the memory that it had
//! the first time, and what it took is given back when it is over. Latency is printed, for it is the machine's (benches/RESULTS.md has figures):
//!
//! ```text
//! CONNECTIONS_IDLE=10000 CONNECTIONS_GARBAGE=100000 CONNECTIONS_AT_ONCE=5000 \
//!     cargo test --release --test connections -- --nocapture --test-threads 1
//! ```
//!
//! Client and node are two processes, so that each has its own descriptors: `ulimit -n` must exceed the sizes.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

mod clients;
mod garbage;
mod node;
#[path = "../harness/one_node.rs"]
mod one_node;

use clients::{Door, Idle};
use node::Node;

/// What an idle connection may cost: 200 MB for ten thousand.
const IDLE_BYTES_MAX: usize = 20_000;
/// What a process may take beside what is asked about: pages that an allocator gets ahead, counters, logs.
const UNRELATED_KIB: usize = 8 << 10;
/// What may be resident more than before, when garbage is over and the node has nothing to do: a tenth, and this much.
const GARBAGE_LEAVES_KIB: u64 = 4 << 10;
/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_mins(1);

fn size(name: &str, small: usize) -> usize {
    std::env::var(name).map_or(small, |text| text.parse().expect("a size is a whole number"))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn idle_connections_are_held_and_cost_little() {
    let node = Node::start(
        1,
        "[resp]\nconnections_max = 20000\n[http]\nconnections_max = 20000\nhead_timeout = \"10m\"\n",
    );
    let many = size("CONNECTIONS_IDLE", 1_000);
    for door in [Door::Resp, Door::Http] {
        let (sockets, before) = (node.descriptors(), node.resident_kib());
        let idle = runtime().block_on(Idle::open(&node, door, many));
        let held = node.descriptors() - sockets;
        let cost = node.resident_kib().saturating_sub(before);
        println!(
            "{many} idle connections, {door:?}: {:.1} MiB, {:.1} KiB each",
            cost as f64 / 1024.0,
            cost as f64 / many as f64
        );
        assert_eq!(held, many, "{door:?}");
        let most = many * IDLE_BYTES_MAX / 1024 + UNRELATED_KIB;
        assert!(
            cost as usize <= most,
            "{many} idle connections, {door:?}: {cost} KiB, {most} were expected at most"
        );
        node.must_serve();
        drop(idle);
        node.wait_for_descriptors(sockets);
    }
}

#[test]
fn garbage_leaves_a_node_as_it_was() {
    let node = Node::start(
        2,
        "[resp]\nconnections_max = 20000\n[http]\nconnections_max = 20000\nhead_timeout = \"5s\"\n",
    );
    let (many, at_once) = (size("CONNECTIONS_GARBAGE", 4_000), size("CONNECTIONS_AT_ONCE", 1_000));
    node.must_serve();
    println!("before: {}, {} KiB resident", node.latencies(), node.resident_kib());
    let (sockets, before) = (node.descriptors(), node.resident_kib());
    // Two waves: the second does with what the first one took; a leak would come on top.
    let mut peaks = Vec::new();
    for wave in 1..=2 {
        let peak = runtime().block_on(garbage::send(&node, many, at_once));
        node.wait_for_descriptors(sockets);
        node.must_serve();
        println!(
            "wave {wave}: {many} garbage connections, at most {} descriptors and {} KiB; then {}, {} KiB resident",
            peak.descriptors,
            peak.resident_kib,
            node.latencies(),
            node.resident_kib()
        );
        // What other allocators keep is their affair.
        #[cfg(feature = "mimalloc")]
        {
            let taken = node.wait_for_resident_kib(before + before / 10 + GARBAGE_LEAVES_KIB);
            println!("given back within {taken:.1?}: {} KiB resident", node.resident_kib());
        }
        peaks.push(peak.resident_kib as usize);
    }
    assert!(node.is_alive());
    assert!(peaks[1] <= peaks[0] + UNRELATED_KIB, "the second wave took more than the first: {peaks:?} KiB");
}

#[test]
fn a_client_too_many_is_told_so_by_the_name_of_the_limit_and_counted() {
    const MAX: usize = 20;
    let node = Node::start(3, "[resp]\nconnections_max = 20\n[http]\nconnections_max = 20\n");
    for (door, refusal, counter) in [
        (Door::Resp, "-ERR max number of clients reached", "resp_connections_max_hit"),
        (Door::Http, "\"limit\":\"http.connections_max\"", "http_connections_max_hit"),
    ] {
        let sockets = node.descriptors();
        let idle = runtime().block_on(Idle::open(&node, door, MAX));
        for _ in 0..10 {
            let told = node.first_words(door);
            assert!(told.contains(refusal), "{door:?}: {told:?}");
        }
        assert_eq!(node.counter(counter), 10);
        drop(idle);
        node.wait_for_descriptors(sockets);
        node.must_serve();
    }
}
