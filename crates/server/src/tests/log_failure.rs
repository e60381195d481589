//! What a replica does when its log fails.

use std::sync::Arc;

use quorate_types::{ReadOutcome, Refusal, WriteOutcome};
use quorate_wal::Io;
use quorate_wire::ResponseBody;

use super::cluster::{Cluster, get, poll, put};
use super::disk_fault::Faulty;
use super::http::send;
use crate::{Replica, ShutDown, StartOptions};

#[test]
fn a_failed_log_refuses_writes_by_name_serves_reads_and_says_so() {
    for shards in [1, 2] {
        let mut cluster = Cluster::start(0, &format!("[[keyspace]]\nn = 1\n[server]\nshards = {shards}\n"));
        cluster.nodes = 1;
        let disk = Faulty::new();
        let io: Arc<dyn Io> = disk.clone();
        let replica = Replica::start_on(&cluster.config(), "n1", &StartOptions::default(), &io).unwrap();
        let mut client = cluster.client("n1");
        let before = client.call(put("before", "v"));
        assert!(matches!(before, ResponseBody::Write(WriteOutcome::Written { .. })), "{before:?}");

        disk.breaks();
        let during = client.call(put("during", "v"));
        assert!(!matches!(during, ResponseBody::Write(WriteOutcome::Written { .. })), "{during:?}");
        poll("writes are refused by name", || match client.call(put("after", "v")) {
            ResponseBody::Refused(reason) | ResponseBody::Write(WriteOutcome::Rejected { reason }) => {
                reason == Refusal::LogFailed
            }
            other => panic!("{other:?}"),
        });
        let read = client.call(get("before"));
        assert!(matches!(read, ResponseBody::Read(ReadOutcome::Found { .. })), "{read:?}");
        assert!(client.status().wal.failed.is_some());
        assert!(replica.failed().borrow().as_ref().unwrap().contains("the disk is broken"));
        let (status, why) = send(cluster.http_addr("n1"), "GET /health/ready", "");
        assert!(status == 503 && why.contains("the disk is broken"), "{status} {why}");
        assert_eq!(replica.shut_down(), ShutDown { drained: true, checkpointed: false });

        cluster.restart("n1");
        let mut client = cluster.client("n1");
        let read = client.call(get("before"));
        assert!(matches!(read, ResponseBody::Read(ReadOutcome::Found { .. })), "{read:?}");
    }
}
