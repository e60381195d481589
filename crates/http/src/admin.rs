//! What an operator tells a node to do. On a door of its own, which listens on loopback unless the configuration says
//! otherwise: these verbs need no password, so whoever reaches them must be on the machine.
//!
//! Invariant: nothing that can't be taken back happens to the wrong node by mistake: such a verb names the node.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;
use tokio::sync::oneshot;

use crate::door::Door;
use crate::params::{self, Params};
use crate::problem::Problem;
use crate::reply;

/// A checkpoint that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpointed {
    /// Its number.
    pub checkpoint: u64,
    /// The next start replays the log from here on.
    pub replay_lsn: u64,
}

/// What carries out an operator's orders.
pub trait Admin: Send + Sync + 'static {
    /// Writes a checkpoint, if anything was written since the last one. The answer says why not; if it never comes,
    /// the node ended. In both cases the last one and the whole log are kept.
    fn checkpoint(&self) -> oneshot::Receiver<Result<Checkpointed, String>>;

    /// Takes no new requests from now on. For good: only a restart takes requests again.
    fn drain(&self);

    /// Whether it has been told to drain, and whether everything that was under way is answered.
    fn draining(&self) -> Draining;

    /// The filter of log lines in force; `None`: somebody else writes the lines of this process.
    fn log_filter(&self) -> Option<String>;

    /// Logs by `filter` from now on, whoever else is a node of this process too; or says why not, and changes nothing.
    fn set_log_filter(&self, filter: &str) -> Result<(), String>;
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draining {
    /// Not asked for.
    No,
    /// Some requests are under way.
    UnderWay,
    /// Everything is answered.
    Done,
}

impl Draining {
    fn name(self) -> &'static str {
        match self {
            Draining::No => "serving",
            Draining::UnderWay => "draining",
            Draining::Done => "drained",
        }
    }
}

/// `POST /api/v1/admin/checkpoint`.
pub(crate) async fn checkpoint(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), params::ADMIN)?;
    not_a_page(&request)?;
    let failed = |why: String| {
        let detail = format!("no checkpoint: {why}; the last one and the whole log are kept");
        Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "checkpoint-failed", detail).retry_soon()
    };
    let written = door.admin()?.checkpoint().await;
    let done = written.map_err(|_| failed("the node ended".to_owned()))?.map_err(failed)?;
    let body = json!({ "checkpoint": done.checkpoint, "replay_lsn": done.replay_lsn });
    Ok(reply::json(StatusCode::OK, &body))
}

/// `POST /api/v1/admin/drain?confirm=NODE`.
pub(crate) async fn drain(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let params = Params::parse(request.uri().query(), params::DRAIN)?;
    not_a_page(&request)?;
    let node = &door.about().node;
    if params.text("confirm")? != Some(node) {
        let detail = format!(
            "a node that drains takes requests again only after a restart: send ?confirm={node} to drain {node}; \
             nothing was done"
        );
        return Err(Problem::bad("confirmation-missing", detail).with("parameter", "confirm"));
    }
    let admin = door.admin()?;
    admin.drain();
    Ok(reply::json(StatusCode::ACCEPTED, &json!({ "node": node, "state": admin.draining().name() })))
}

/// `GET /api/v1/admin/drain`.
pub(crate) async fn draining(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), params::ADMIN)?;
    let state = door.admin()?.draining().name();
    Ok(reply::json(StatusCode::OK, &json!({ "node": door.about().node, "state": state })))
}

/// `GET /api/v1/admin/log`.
pub(crate) async fn log(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    Params::parse(request.uri().query(), params::ADMIN)?;
    Ok(log_filter(&door, door.admin()?))
}

/// `POST /api/v1/admin/log?filter=FILTER`.
pub(crate) async fn set_log(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Problem> {
    let params = Params::parse(request.uri().query(), params::LOG)?;
    not_a_page(&request)?;
    let Some(filter) = params.text("filter")? else {
        let detail = "say by which filter to log: ?filter=debug, or ?filter=info,quorate_node=debug; nothing was changed";
        return Err(Problem::bad("filter-missing", detail.to_owned()).with("parameter", "filter"));
    };
    let admin = door.admin()?;
    admin.set_log_filter(filter).map_err(|why| {
        Problem::bad("filter-invalid", format!("{why}; nothing was changed")).with("parameter", "filter")
    })?;
    Ok(log_filter(&door, admin))
}

fn log_filter(door: &Door, admin: &dyn Admin) -> Response {
    reply::json(StatusCode::OK, &json!({ "node": door.about().node, "filter": admin.log_filter() }))
}

/// Browsers say with every POST which page sent it, and no page has orders for a node: not one of another site, and not
/// one that had its own name resolved to this machine either.
fn not_a_page(request: &Request) -> Result<(), Problem> {
    if !request.headers().contains_key(header::ORIGIN) {
        return Ok(());
    }
    let detail = "a page in a browser may not give a node orders; nothing was done";
    Err(Problem::rejected(StatusCode::FORBIDDEN, "from-a-page", detail))
}
