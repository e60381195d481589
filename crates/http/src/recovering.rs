//! What HTTP clients hear while a node recovers: that it lives, and that it is not ready.
//!
//! There is no node to ask yet, so this needs none; a connection has one answer and is closed.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::health;
use crate::problem::Problem;

/// How long a head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers the one who has come: `/health/live` with 200, all else with 503.
///
/// # Errors
/// What came is not HTTP, or the connection ended.
pub async fn recovering(stream: TcpStream) -> hyper::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).keep_alive(false);
    builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/health/live" {
        return Ok(health::live().await);
    }
    let detail = "the node recovers its data from its checkpoint and its log: nothing was done; ask again, or ask another node";
    let problem = Problem::failed(StatusCode::SERVICE_UNAVAILABLE, "recovering", detail);
    Ok(problem.header(header::RETRY_AFTER, HeaderValue::from_static("1")).into_response())
}
