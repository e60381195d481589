//! What HTTP clients hear while a node recovers: that it lives, and that it is not ready.
//!
//! There is no node to ask yet, so this needs none; a connection has one answer and is closed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::health;
use crate::problem::Problem;

/// Connections at once; one more is closed unheard.
const CONNECTIONS_MAX: usize = 256;
/// From the first byte to the last.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The pause after an accept failed, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers those who come to `listener`, until it is dropped: `/health/live` with 200, all else with 503.
pub async fn recovering(listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            tokio::spawn(async move {
                // Who is slower goes without.
                let _ = tokio::time::timeout(TIMEOUT, serve(stream)).await;
                drop(place);
            });
        }
    }
}

async fn serve(stream: TcpStream) -> hyper::Result<()> {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(TIMEOUT).keep_alive(false);
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
