//! One client's connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::debug;

use crate::door::{Door, Stop, stopped};
use crate::limits::HEADERS_MAX;
use crate::node::Count;
use crate::slow::Impatient;
use crate::worded::{Answer, Turn, Worded};

/// Serves `stream` until it ends, or until what is under way is answered after `stop`.
pub(crate) async fn serve<S>(stream: S, door: &Door, router: Router, mut stop: watch::Receiver<Stop>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = door.limits();
    let turn = Arc::new(Turn::default());
    let stream = Worded::new(Impatient::new(stream, limits.write_timeout), Arc::clone(&turn), limits);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request| {
        let (answering, answer) = (turn.begin(), router.call(request));
        async move { Ok::<_, Infallible>(answer.await?.map(|body| Answer { body, _answering: answering })) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max)
        .max_headers(HEADERS_MAX);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        // The end first: an answer that is sent after it says `connection: close`.
        biased;
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
        ended = connection.as_mut() => ended,
    };
    if let Err(failure) = ended {
        note(door, &failure);
    }
}

fn note(door: &Door, failure: &hyper::Error) {
    debug!(%failure, "an HTTP connection ended");
    let timed_out = failure
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|source| source.kind() == io::ErrorKind::TimedOut);
    if timed_out {
        door.count(Count::WriteTimeout);
    } else if failure.is_parse() || failure.is_timeout() {
        door.count(Count::HeadBroken);
    }
}
