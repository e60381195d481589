//! How the node is, for load balancers and supervisors.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::door::{Door, overloaded};
use crate::node::NoMetrics;
use crate::outcome;
use crate::problem::Problem;
use crate::reply;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process runs. Does not ask any shard: a supervisor that restarts the node because a disk is slow makes it worse.
pub(crate) async fn live() -> Response {
    reply::json(StatusCode::OK, &json!({ "status": "live" }))
}

/// Whether the node should get requests: 503 with the reasons if not.
pub(crate) async fn ready(State(door): State<Arc<Door>>) -> Response {
    let reasons = door.unready();
    if reasons.is_empty() {
        return reply::json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "not-ready", reasons.join("; "))
        .with("reasons", reasons)
        .retry_soon()
        .into_response()
}

/// The node's metrics. Always as OpenMetrics: everything that scrapes Prometheus' text reads it.
pub(crate) async fn metrics(State(door): State<Arc<Door>>) -> Result<Response, Problem> {
    match door.metrics().await {
        Ok(text) => Ok(reply::with_type(StatusCode::OK, text.into(), OPENMETRICS)),
        Err(NoMetrics::Overloaded(limit)) => Err(overloaded(limit)),
        Err(NoMetrics::Ended) => Err(outcome::read_lost()),
    }
}

/// What runs here.
pub(crate) async fn version(State(door): State<Arc<Door>>) -> Response {
    let about = door.about();
    let body = json!({
        "version": about.version,
        "node": about.node,
        "cluster": about.cluster,
        "generation": about.generation,
    });
    reply::json(StatusCode::OK, &body)
}
