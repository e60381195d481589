//! Before anything is sent: who the replicas are, how many must answer, and whether enough of them are alive.

use quorate_types::{KeyspaceId, Level, Mono, PartitionId, Refusal};

use crate::config::KeyspacePolicy;
use crate::replicas::{Members, Replicas};
use crate::request::{ClientExplain, Liveness};
use crate::turn::Turn;

/// What a request asks for, as far as planning goes.
pub(crate) struct Asked {
    pub(crate) keyspace: KeyspaceId,
    pub(crate) partition: PartitionId,
    pub(crate) level: Option<Level>,
    pub(crate) default_level: fn(&KeyspacePolicy) -> Level,
    pub(crate) deadline: Mono,
    /// Bytes of key and value.
    pub(crate) bytes: u64,
}

/// A request that may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) policy: KeyspacePolicy,
    pub(crate) level: Level,
    pub(crate) required: u8,
    /// Nearest first on the ring.
    pub(crate) replicas: Replicas,
    pub(crate) alive: Members,
}

/// A request that may not. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unplanned {
    /// Not now: overload, or too late.
    Refused(Refusal),
    /// Told in the vocabulary of the request.
    Declined(Declined),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Declined {
    /// Not ever in this form: no such keyspace, a level above `n`.
    Rejected(Refusal),
    /// Too few replicas are alive.
    Unavailable { required: u8, alive: u8 },
}

impl Unplanned {
    fn rejected(reason: Refusal) -> Unplanned {
        Unplanned::Declined(Declined::Rejected(reason))
    }

    pub(crate) fn unsupported(what: &str) -> Unplanned {
        Unplanned::rejected(Refusal::Unsupported { what: what.to_owned() })
    }
}

pub(crate) fn plan(turn: &Turn, live: &dyn Liveness, asked: &Asked) -> Result<Plan, Unplanned> {
    let config = &turn.shared.config;
    let policy = config.keyspaces.get(&asked.keyspace);
    let policy = *policy.ok_or_else(|| Unplanned::rejected(Refusal::UnknownKeyspace))?;
    let level = asked.level.unwrap_or_else(|| (asked.default_level)(&policy));
    let required = required(level, policy.n)?;
    if asked.deadline <= turn.now.mono {
        return Err(Unplanned::Refused(Refusal::DeadlinePassed));
    }
    turn.shared.load.admits(config, asked.bytes).map_err(Unplanned::Refused)?;
    let replicas = Replicas::new(turn.shared.ring.replicas(asked.partition, policy.n).iter().copied());
    let alive = replicas.members_where(|node| turn.shared.is_alive(live, node));
    if alive.len() < required {
        return Err(Unplanned::Declined(Declined::Unavailable { required, alive: alive.len() }));
    }
    Ok(Plan { policy, level, required, replicas, alive })
}

/// Who the `n` replicas of an explained key are; anything but overload, lateness and an unknown keyspace will do.
pub(crate) fn survey(turn: &Turn, explain: &ClientExplain) -> Result<(usize, Replicas), Refusal> {
    let config = &turn.shared.config;
    let n = config.keyspaces.get(&explain.keyspace).ok_or(Refusal::UnknownKeyspace)?.n;
    if explain.deadline <= turn.now.mono {
        return Err(Refusal::DeadlinePassed);
    }
    turn.shared.load.admits(config, explain.key.len() as u64)?;
    let replicas = turn.shared.ring.replicas(explain.token.partition(), n);
    Ok((n, Replicas::new(replicas.iter().copied())))
}

fn required(level: Level, n: usize) -> Result<u8, Unplanned> {
    let unmeetable = |e: quorate_types::LevelUnmeetable| {
        Unplanned::rejected(Refusal::LevelUnmeetable { required: e.required as u8, n: e.n as u8 })
    };
    level.required(n).map(|required| required as u8).map_err(unmeetable)
}
