//! What a replica does for clients and peers, over real sockets and real directories.

use super::cluster::{Cluster, Raw, get, keyspace, poll, put, put_at};
use crate::{DiskError, Replica, ShutDown, StartError, StartOptions};
use quorate_types::{ClusterId, Level, ReadOutcome, Refusal, WriteOutcome};
use quorate_wire::{CopyView, HandshakeRefusal, RequestBody, ResponseBody};

fn found(body: &ResponseBody) -> Option<&[u8]> {
    match body {
        ResponseBody::Read(ReadOutcome::Found { record }) => record.value.as_deref(),
        _ => None,
    }
}

fn written(body: &ResponseBody) -> bool {
    matches!(body, ResponseBody::Write(WriteOutcome::Written { .. }))
}

#[test]
fn a_killed_node_brings_back_what_it_acknowledged() {
    for shards in [1, 2] {
        let mut cluster = Cluster::start(1, &format!("[[keyspace]]\nn = 1\n[server]\nshards = {shards}\n"));
        let mut client = cluster.client("n1");
        for i in 0..100 {
            assert!(written(&client.call(put(&format!("k{i}"), "v"))), "k{i}");
        }
        cluster.kill("n1");
        cluster.restart("n1");
        let mut client = cluster.client("n1");
        for i in 0..100 {
            assert_eq!(
                found(&client.call(get(&format!("k{i}")))),
                Some(&b"v"[..]),
                "k{i} with {shards} shards"
            );
        }
    }
}

#[test]
fn a_graceful_end_leaves_everything_in_a_checkpoint_for_any_number_of_shards() {
    let mut cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n[server]\nshards = 2\n");
    let mut client = cluster.client("n1");
    for i in 0..50 {
        assert!(written(&client.call(put(&format!("k{i}"), "v"))));
    }
    assert_eq!(cluster.shut_down("n1"), ShutDown { drained: true, checkpointed: true });
    cluster.extra = "[[keyspace]]\nn = 1\n[server]\nshards = 3\n".to_owned();
    cluster.restart("n1");
    let mut client = cluster.client("n1");
    let status = client.status();
    assert_eq!((status.wal.checkpoint, status.shards, status.keyspaces[0].keys), (1, 3, 50));
    assert_eq!(found(&client.call(get("k7"))), Some(&b"v"[..]));
}

#[test]
fn a_quorum_write_through_one_node_is_read_through_another_at_each_level() {
    for shards in [1, 2] {
        let cluster = Cluster::start(4, &format!("[server]\nshards = {shards}\n"));
        let (mut n1, mut n3) = (cluster.client("n1"), cluster.client("n3"));
        cluster.wait_for_links();
        for level in [Level::Two, Level::Quorum, Level::All] {
            let key = format!("at {level}");
            assert!(written(&n1.call(put_at(&key, "v", level))), "{key}");
            let read = n3.call(RequestBody::Get {
                keyspace: keyspace(),
                key: key.clone().into(),
                level: Some(Level::Two),
            });
            assert_eq!(found(&read), Some(&b"v"[..]), "{key}");
        }
    }
}

#[test]
fn writes_go_on_without_a_killed_node_and_it_gets_them_when_it_is_back() {
    let mut cluster = Cluster::start(4, "[server]\nshards = 2\n");
    cluster.wait_for_links();
    let mut n1 = cluster.client("n1");
    cluster.kill("n2");
    poll("n1 sees n2 down", || n1.status().peers.iter().any(|peer| !peer.alive));
    for i in 0..40 {
        assert!(written(&n1.call(put_at(&format!("k{i}"), "v", Level::Two))), "k{i}");
    }
    let all = n1.call(put_at("k0", "never", Level::All));
    assert!(
        matches!(
            all,
            ResponseBody::Write(
                WriteOutcome::Unavailable { required: 3, alive: 2 } | WriteOutcome::Written { .. }
            )
        ),
        "{all:?}"
    );
    poll("hints are durable", || {
        let status = n1.status();
        let pending = status.counters.iter().find(|(name, _)| name == "hints_pending").map_or(0, |(_, n)| *n);
        pending == 0 && status.hints.iter().map(|hints| hints.durable).sum::<u64>() > 0
    });
    cluster.restart("n2");
    poll("hints are delivered", || n1.status().hints.iter().all(|hints| hints.durable == 0));
    let n2 = quorate_types::NodeId::of_name("n2");
    for i in 0..40 {
        // Another shard may have delivered it before this one's link was up again.
        poll("n2 shows its copy", || {
            let explained =
                n1.call(RequestBody::Explain { keyspace: keyspace(), key: format!("k{i}").into() });
            let ResponseBody::Explain(explained) = explained else { panic!("{explained:?}") };
            let mut of_n2 = explained.replicas.iter().filter(|replica| replica.node == n2);
            of_n2.all(|replica| matches!(replica.copy, CopyView::Present { .. }))
        });
    }
}

#[test]
fn a_paused_node_counts_as_down_and_serves_again_when_resumed() {
    let cluster = Cluster::start(3, "[server]\nshards = 1\n");
    cluster.wait_for_links();
    let mut n1 = cluster.client("n1");
    cluster.replica("n3").pause();
    poll("n1 sees n3 down", || n1.status().peers.iter().any(|peer| !peer.alive));
    assert!(matches!(
        n1.call(put_at("k", "v", Level::All)),
        ResponseBody::Write(WriteOutcome::Unavailable { required: 3, alive: 2 })
    ));
    assert!(written(&n1.call(put_at("k", "v", Level::Quorum))));
    cluster.replica("n3").resume();
    cluster.wait_for_links();
    assert!(written(&n1.call(put_at("k", "w", Level::All))));
}

#[test]
fn the_door_refuses_by_name() {
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n[limits]\nconnections_max = 1\n");
    let other = Some(ClusterId::of_name("another"));
    assert!(matches!(
        Raw::connect(&cluster.addr("n1"), other).err().unwrap(),
        HandshakeRefusal::ClusterMismatch { .. }
    ));
    let first = Raw::connect(&cluster.addr("n1"), None).unwrap();
    assert_eq!(
        Raw::connect(&cluster.addr("n1"), None).err(),
        Some(HandshakeRefusal::TooManyConnections { connections_max: 1 })
    );
    drop(first);
    poll("the place is free again", || Raw::connect(&cluster.addr("n1"), None).is_ok());
}

#[test]
fn garbage_on_the_port_closes_that_connection_only() {
    use std::io::{Read, Write};
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n");
    let mut client = cluster.client("n1");
    let mut stranger = std::net::TcpStream::connect(cluster.addr("n1")).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // Closed or reset, but not left open.
    let _ = stranger.read_to_end(&mut answer);
    assert!(written(&client.call(put("k", "v"))));
}

#[test]
fn a_taken_port_and_a_directory_in_use_are_refused_at_the_start() {
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n");
    let config = cluster.config();
    let elsewhere = StartOptions { listen: Some("127.0.0.1:0".to_owned()), ..StartOptions::default() };
    assert!(matches!(
        Replica::start(&config, "n1", &elsewhere).err(),
        Some(StartError::Disk(DiskError::Locked { .. }))
    ));
    let dir = tempfile::tempdir().unwrap();
    let doors = || Some("127.0.0.1:0".to_owned());
    let data_dir = Some(dir.path().join("n1"));
    let (resp_listen, http_listen, admin_listen) = (doors(), doors(), doors());
    let own_dir =
        StartOptions { data_dir, resp_listen, http_listen, admin_listen, ..StartOptions::default() };
    let taken = Replica::start(&config, "n1", &own_dir).err();
    assert!(
        matches!(&taken, Some(StartError::AddressTaken { addr }) if *addr == cluster.addr("n1")),
        "{taken:?}"
    );
    let both = StartOptions { listen: elsewhere.listen, ..own_dir };
    Replica::start(&config, "n1", &both).expect("a refused start gives its lock back").shut_down();
    assert!(matches!(Replica::start(&config, "n9", &both).err(), Some(StartError::NoSuchNode { .. })));
}

#[test]
fn a_pipeline_is_answered_completely_and_in_any_case_once() {
    let cluster = Cluster::start(1, "[[keyspace]]\nn = 1\n[server]\nshards = 2\n");
    let mut client = cluster.client("n1");
    let numbers: Vec<u64> = (0..5_000).map(|i| client.send(put(&format!("k{i}"), "v"))).collect();
    client.flush();
    let mut answered: Vec<u64> = numbers.iter().map(|_| client.recv().number).collect();
    answered.sort_unstable();
    assert_eq!(answered, numbers);
    let status = client.status();
    assert_eq!(status.keyspaces[0].keys, 5_000);
    assert!(status.wal.syncs < 2_500, "group commit: {} syncs", status.wal.syncs);
}

#[test]
fn the_ring_and_a_key_that_is_too_large_are_answered_by_any_shard() {
    let cluster = Cluster::start(
        3,
        "[server]\nshards = 2\n[limits]\nvalue_bytes_max = \"1KiB\"\nvalue_bytes_warn = \"1KiB\"\n",
    );
    cluster.wait_for_links();
    let mut client = cluster.client("n2");
    let ResponseBody::Ring(ring) = client.call(RequestBody::Ring) else { panic!("no ring") };
    let names: Vec<_> = ring.nodes.iter().map(|node| (node.name.as_str(), node.alive)).collect();
    assert_eq!(names.len(), 3);
    assert!(names.iter().all(|(_, alive)| *alive), "{names:?}");
    assert_eq!(ring.nodes.iter().map(|node| node.owned_partitions).sum::<u32>(), 4096);
    for i in 0..8 {
        let refused = client.call(put(&format!("k{i}"), &"v".repeat(1025)));
        let reason = match &refused {
            ResponseBody::Write(WriteOutcome::Rejected { reason }) | ResponseBody::Refused(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(*reason, Refusal::ValueTooLarge { bytes: 1025, bytes_max: 1024 });
    }
}

#[test]
fn a_write_sent_twice_is_answered_without_a_second_stamp_and_leaks_no_place() {
    let cluster =
        Cluster::start(1, "[[keyspace]]\nn = 1\n[server]\nshards = 2\n[limits]\nrequests_max = 2\n");
    let mut client = cluster.client("n1");
    for i in 0..20 {
        let key = format!("k{i}");
        let number = client.send(put(&key, "v"));
        client.send_again(number, put(&key, "v"));
        client.flush();
        let first = client.recv();
        assert_eq!((first.number, written(&first.body)), (number, true), "{first:?}");
        client.forget(number);
    }
    let status = client.status();
    assert_eq!(status.keyspaces[0].keys, 20);
}

#[test]
fn every_way_to_sync_acknowledges_what_a_kill_can_not_take_back() {
    let ways = [
        ("sync = \"always\"\ninline_sync_below = \"1s\"", "log_batches_inline"),
        ("sync = \"always\"\ninline_sync_below = \"0us\"", "log_batches_flushed"),
        ("sync = \"interval\"\nsync_interval = \"5ms\"", "log_batches_inline"),
        ("sync = \"os\"", "log_batches_inline"),
    ];
    for (wal, counter) in ways {
        let mut cluster = Cluster::start_with_wal(1, wal, "[[keyspace]]\nn = 1\n[server]\nshards = 2\n");
        let mut client = cluster.client("n1");
        for i in 0..50 {
            assert!(written(&client.call(put(&format!("k{i}"), "v"))), "{wal}: k{i}");
        }
        assert!(client.counter(counter) > 0, "{wal}");
        cluster.kill("n1");
        cluster.restart("n1");
        let mut client = cluster.client("n1");
        for i in 0..50 {
            assert_eq!(found(&client.call(get(&format!("k{i}")))), Some(&b"v"[..]), "{wal}: k{i}");
        }
    }
}

#[test]
fn a_peer_with_another_ring_is_down_and_the_status_says_why() {
    let mut cluster = Cluster::start(2, "[[keyspace]]\nn = 2\n");
    cluster.wait_for_links();
    cluster.kill("n2");
    cluster.extra = "[[keyspace]]\nn = 1\n".to_owned();
    cluster.restart("n2");
    let mut client = cluster.client("n1");
    poll("the refusal is shown", || {
        let status = client.status();
        let why = status.peers[0].why_down.clone().unwrap_or_default();
        !status.peers[0].alive && why.contains("the same [[node]] and [[keyspace]] entries")
    });
}

#[test]
fn a_checkpoint_is_taken_while_writes_go_on_and_a_kill_after_it_loses_nothing() {
    let extra = "[[keyspace]]\nn = 1\n[server]\nshards = 2\n[checkpoint]\ncheckpoint_interval = \"100ms\"\n";
    let mut cluster = Cluster::start(1, extra);
    let mut client = cluster.client("n1");
    let mut written_keys = 0;
    poll("three checkpoints", || {
        assert!(written(&client.call(put(&format!("k{written_keys}"), "v"))));
        written_keys += 1;
        client.status().wal.checkpoint >= 3
    });
    cluster.kill("n1");
    cluster.restart("n1");
    let status = cluster.client("n1").status();
    assert_eq!(status.keyspaces[0].keys, written_keys);
    assert!(status.wal.checkpoint >= 3);
}
