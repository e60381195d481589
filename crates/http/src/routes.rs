//! The one table of routes, and what every request and every answer goes through.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post};
use tracing::{Instrument as _, Span, debug};

use crate::door::Door;
use crate::node::Count;
use crate::problem::Problem;
use crate::trace::{self, TRACEPARENT, Traced, TracedBody};
use crate::{admin, batch, events, head, health, reply, scan, store, views};

/// The description of this interface; a test holds it against [`table`].
const OPENAPI: &[u8] = include_bytes!("../openapi.json");

/// The paths of the clients' door, and what each answers.
pub(crate) fn table() -> Vec<(&'static str, MethodRouter<Arc<Door>>)> {
    let store = || get(store::get).put(store::put).post(store::put).delete(store::delete);
    vec![
        ("/api/v1/store", store()),
        ("/api/v1/store/", store()),
        ("/api/v1/store/{*key}", store()),
        ("/api/v1/scan", get(scan::scan)),
        ("/api/v1/batch", post(batch::batch)),
        ("/api/v1/cluster", get(views::cluster)),
        ("/api/v1/keyspaces", get(views::keyspaces)),
        ("/api/v1/nodes", get(views::nodes)),
        ("/api/v1/ring", get(views::ring)),
        ("/api/v1/hints", get(views::hints)),
        ("/api/v1/explain", get(views::explain)),
        ("/api/v1/events", get(events::events)),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
        ("/metrics", get(health::metrics)),
        ("/version", get(health::version)),
        ("/openapi.json", get(openapi)),
    ]
}

/// The paths of the operators' door.
pub(crate) fn admin_table() -> Vec<(&'static str, MethodRouter<Arc<Door>>)> {
    vec![
        ("/api/v1/admin/checkpoint", post(admin::checkpoint)),
        ("/api/v1/admin/drain", get(admin::draining).post(admin::drain)),
        ("/api/v1/admin/log", get(admin::log).post(admin::set_log)),
        ("/health/live", get(health::live)),
        ("/health/ready", get(health::ready)),
        ("/version", get(health::version)),
        ("/openapi.json", get(openapi)),
    ]
}

async fn openapi() -> Response {
    reply::with_type(StatusCode::OK, OPENAPI.into(), "application/json")
}

/// All routes of `door`.
pub(crate) fn router(door: &Arc<Door>) -> Router {
    let table = if door.is_for_admin() { admin_table() } else { table() };
    let routes = table.into_iter().fold(Router::new(), |router, (path, method)| router.route(path, method));
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state(Arc::clone(door), around))
        .with_state(Arc::clone(door))
}

async fn no_route(request: Request) -> Problem {
    let detail = format!("there is nothing at {}; /openapi.json says what there is", request.uri().path());
    Problem::rejected(StatusCode::NOT_FOUND, "no-such-route", detail)
}

async fn no_method(request: Request) -> Problem {
    let detail = format!("{} is not offered here; the header Allow says what is", request.method());
    Problem::rejected(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}

/// What holds for every request and answer.
async fn around(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    door.step();
    door.count(Count::Request);
    let traced = trace::named_in(request.headers()).map(|trace| Traced { trace, span: door.new_span() });
    let lines = traced.as_ref().map_or_else(Span::none, Traced::lines);
    let answered = async {
        match head::checked(&door, request) {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    };
    let mut response = trace::within(traced, answered).instrument(lines.clone()).await;
    if response.status().is_server_error() {
        door.count(Count::ServerError);
    } else if response.status().is_client_error() && !response.headers().contains_key(reply::ABSENT) {
        door.count(Count::ClientError);
    }
    let headers = response.headers_mut();
    reply::add(headers, reply::COORDINATOR, &door.about().node);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let Some(Traced { trace, .. }) = traced else { return response };
    headers.insert(TRACEPARENT, trace::header(&trace));
    lines.in_scope(|| debug!(status = response.status().as_u16(), "a traced request is answered"));
    response.map(|body| Body::new(TracedBody { body, lines }))
}
