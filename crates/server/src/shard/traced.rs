//! What this replica did for traced requests, in its log lines: the other end of a trace that a coordinator passed on.

use quorate_node::Served;
use tracing::debug;

use crate::common::Common;

/// Logs one part; its span is made here, for nobody is asked in turn.
#[cold]
pub(crate) fn note(served: &Served, common: &Common) {
    let Served { part, outcome, elapsed } = served;
    let mut keyspaces = common.overview.keyspaces().iter();
    let keyspace = keyspaces.find(|known| known.id == part.keyspace);
    debug!(
        trace = %part.trace.id,
        parent = %part.trace.parent,
        span = %common.spans.mint(),
        sampled = part.trace.is_sampled(),
        replica = common.about.name,
        coordinator = common.overview.name_of(part.coordinator),
        what = %part.what,
        keyspace = keyspace.map_or("?", |known| &known.name),
        token = format!("{:016x}", part.token.0),
        outcome = %outcome,
        elapsed_us = elapsed.as_micros() as u64,
        "a part of a traced request"
    );
}
