//! The verbs that ask a running cluster, from the command line and from the shell of the demo.

use std::io;
use std::path::Path;

use crate::answer::{Answer, Screen};
use crate::cli::{Global, Request};
use crate::config_verbs::refused;
use crate::exit::Exit;
use crate::session::Session;
use crate::{data, endpoints, explain, nodes, scan, status};

/// Connects to the cluster that `global` names and does what `request` asks for.
pub fn run(request: &Request, global: &Global, here: &Path, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let found = match endpoints::find(global, here) {
        Ok(found) => found,
        Err(error) => return screen.show(&refused(&error)),
    };
    runtime()?.block_on(async {
        match Session::open(found, global.timeout).await {
            Ok(session) => perform(&session, request, screen).await,
            Err(answer) => screen.show(&answer),
        }
    })
}

/// The runtime that everything of kvctl runs on: the calling thread.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Does what `request` asks for.
pub async fn perform(session: &Session, request: &Request, screen: &mut Screen<'_>) -> io::Result<Exit> {
    let answer: Answer = match request {
        Request::Get(args) => data::get(session, args).await,
        Request::Put(args) => data::put(session, args).await,
        Request::Del(args) => data::del(session, args).await,
        Request::Scan(args) => return scan::scan(session, args, screen).await,
        Request::Status(args) => return status::status(session, args, screen).await,
        Request::Ring(args) => nodes::ring(session, args).await,
        Request::Nodes => nodes::nodes(session).await,
        Request::Hints => nodes::hints(session).await,
        Request::Explain(args) => explain::explain(session, args).await,
    };
    screen.show(&answer)
}
