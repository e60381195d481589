//! The door of operators.

use std::sync::Arc;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::Bench;
use crate::admin::{Admin, Checkpointed, Draining};
use crate::door::Door;
use crate::limits::Limits;

/// Does as it is told, and remembers what it was told.
pub(super) struct Obedient {
    checkpoint: Result<Checkpointed, String>,
    draining: Mutex<Draining>,
    orders: Mutex<Vec<&'static str>>,
    filter: Mutex<String>,
}

impl Admin for Obedient {
    fn checkpoint(&self) -> oneshot::Receiver<Result<Checkpointed, String>> {
        self.orders.lock().unwrap().push("checkpoint");
        let (done, written) = oneshot::channel();
        let _ = done.send(self.checkpoint.clone());
        written
    }

    fn drain(&self) {
        self.orders.lock().unwrap().push("drain");
        *self.draining.lock().unwrap() = Draining::UnderWay;
    }

    fn draining(&self) -> Draining {
        *self.draining.lock().unwrap()
    }

    fn log_filter(&self) -> Option<String> {
        Some(self.filter.lock().unwrap().clone())
    }

    fn set_log_filter(&self, filter: &str) -> Result<(), String> {
        if filter == "inof" {
            return Err("\"inof\" is no filter".to_owned());
        }
        filter.clone_into(&mut self.filter.lock().unwrap());
        Ok(())
    }
}

/// An operators' door whose node answers so when a checkpoint is asked for.
pub(super) fn bench(checkpoint: Result<Checkpointed, String>) -> (Bench, Arc<Obedient>) {
    let admin = Arc::new(Obedient {
        checkpoint,
        draining: Mutex::new(Draining::No),
        orders: Mutex::default(),
        filter: Mutex::new("info".to_owned()),
    });
    let mut bench = Bench::new();
    let about = bench.door.about().clone();
    let door =
        Door::for_admin(Arc::clone(&bench.node) as _, Arc::clone(&admin) as _, about, Limits::default());
    bench.door = Arc::new(door);
    (bench, admin)
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_written_on_demand_or_it_is_said_why_not() {
    let (good, _) = bench(Ok(Checkpointed { checkpoint: 7, replay_lsn: 900 }));
    let reply = good.send("POST /api/v1/admin/checkpoint", "", "").await;
    assert_eq!((reply.status, reply.text()), (200, r#"{"checkpoint":7,"replay_lsn":900}"#));
    let (bad, _) = bench(Err("the disk is full".to_owned()));
    let reply = bad.send("POST /api/v1/admin/checkpoint", "", "").await;
    assert_eq!((reply.status, reply.problem()), (503, ("checkpoint-failed".into(), "failed".into())));
    assert!(reply.text().contains("the disk is full; the last one and the whole log are kept"));
}

#[tokio::test(start_paused = true)]
async fn a_node_drains_only_if_it_is_named() {
    let (bench, admin) = bench(Err(String::new()));
    for query in ["", "?confirm=", "?confirm=n2", "?confirm=yes"] {
        let reply = bench.send(&format!("POST /api/v1/admin/drain{query}"), "", "").await;
        let expected = (400, ("confirmation-missing".into(), "rejected".into()));
        assert_eq!((reply.status, reply.problem()), expected, "{query}");
    }
    assert!(admin.orders.lock().unwrap().is_empty());
    let state = |state: &str| format!(r#"{{"node":"n1","state":"{state}"}}"#);
    assert_eq!(bench.send("GET /api/v1/admin/drain", "", "").await.text(), state("serving"));
    let reply = bench.send("POST /api/v1/admin/drain?confirm=n1", "", "").await;
    assert_eq!((reply.status, reply.text()), (202, state("draining").as_str()));
    *admin.draining.lock().unwrap() = Draining::Done;
    assert_eq!(bench.send("GET /api/v1/admin/drain", "", "").await.text(), state("drained"));
    assert_eq!(*admin.orders.lock().unwrap(), ["drain"]);
}

#[tokio::test(start_paused = true)]
async fn the_filter_of_log_lines_is_changed_or_it_is_said_why_not() {
    let (bench, admin) = bench(Err(String::new()));
    let filter = |filter: &str| format!(r#"{{"filter":"{filter}","node":"n1"}}"#);
    assert_eq!(bench.send("GET /api/v1/admin/log", "", "").await.text(), filter("info"));
    for (query, kind) in [("", "filter-missing"), ("?filter=inof", "filter-invalid")] {
        let reply = bench.send(&format!("POST /api/v1/admin/log{query}"), "", "").await;
        assert_eq!((reply.status, reply.problem()), (400, (kind.into(), "rejected".into())), "{query}");
        assert!(reply.text().contains("nothing was changed"));
    }
    assert_eq!(*admin.filter.lock().unwrap(), "info");
    let reply = bench.send("POST /api/v1/admin/log?filter=info,quorate_node=debug", "", "").await;
    assert_eq!((reply.status, reply.text()), (200, filter("info,quorate_node=debug").as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_page_in_a_browser_gives_no_orders_and_the_clients_door_has_none() {
    let (operators, admin) = bench(Err(String::new()));
    for (line, header) in [
        ("POST /api/v1/admin/checkpoint", "origin: http://127.0.0.1:7382"),
        ("POST /api/v1/admin/drain?confirm=n1", "origin: null"),
        ("POST /api/v1/admin/drain?confirm=n1", "sec-fetch-site: cross-site"),
    ] {
        let reply = operators.send(line, header, "").await;
        assert_eq!(reply.status, 403, "{line} {header}: {}", reply.text());
    }
    assert!(admin.orders.lock().unwrap().is_empty());
    assert_eq!(operators.send("GET /api/v1/store/k", "", "").await.status, 404, "no keys here");
    assert_eq!(operators.send("GET /health/live", "", "").await.status, 200);
    let clients = Bench::new();
    assert_eq!(clients.send("POST /api/v1/admin/checkpoint", "", "").await.status, 404);
}
