//! The end of a history: every key read at ALL once all is healed, and every copy looked at.
//!
//! The reads show what was lost; they repair, too, so that afterwards all copies must be equal: until they are, they are
//! looked at again, with a limit. Then they are written down as the replicas' last word.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use quorate_client::{Client, ClientError, Options, Read};
use quorate_sim::history::{
    Ask, Complete, CopySeen, Event, Held, History, Invoke, KeyNumber, Limits, OpKind, Outcome, When, read,
};
use quorate_types::{Key, Level};
use quorate_wire::{CopyView, Explanation};
use tokio::task::JoinSet;

use crate::harness::{Cluster, PATIENCE};

/// Keys that are looked at at one time.
const AT_ONCE: usize = 16;
/// The number of the client that reads.
const READER: u64 = u64::MAX;
/// Between two attempts.
const PACE: Duration = Duration::from_millis(20);

/// Appends the end to the history in `file`.
pub fn append(cluster: &Cluster, file: &Path) -> Result<(), Failed> {
    let history = read(std::io::BufReader::new(std::fs::File::open(file)?), Limits::default())?;
    let client = cluster.client_of(&(1..=cluster.nodes()).collect::<Vec<_>>()).ok_or("nobody answers")?;
    let lines = Arc::new(Mutex::new(Lines::after(&history)));
    cluster.block_on(look_at_all(&client, &history, &lines))?;
    let mut lines = lines.lock().expect("nobody panicked with it");
    let at_ns = lines.now();
    lines.events.push(Event::Settled { at_ns });
    let mut file = OpenOptions::new().append(true).open(file)?;
    for event in &lines.events {
        writeln!(file, "{}", serde_json::to_string(event)?)?;
    }
    Ok(())
}

/// What is appended, in the order of time.
struct Lines {
    events: Vec<Event>,
    began: Instant,
    /// The time of the last line that was there.
    after_ns: u64,
    id: u64,
}

impl Lines {
    fn after(history: &History) -> Lines {
        let begun = history.ops().iter().map(|op| op.begun.0);
        let answered = history.ops().iter().flat_map(|op| op.answers.iter().map(|answer| answer.at.0));
        let nodes = history.seen().nodes.iter().map(|event| event.at_ns);
        Lines {
            events: Vec::new(),
            began: Instant::now(),
            after_ns: begun.chain(answered).chain(nodes).max().unwrap_or(0),
            id: history.ops().last().map_or(0, |op| op.id),
        }
    }

    fn now(&self) -> u64 {
        self.after_ns + self.began.elapsed().as_nanos() as u64
    }

    fn begin(&mut self, key: Key) -> u64 {
        self.id += 1;
        let (id, at_ns) = (self.id, self.now());
        self.events.push(Event::Invoke(Invoke {
            at_ns,
            id,
            client: READER,
            session: None,
            keyspace: None,
            level: Level::All,
            coordinator: None,
            retry_of: None,
            ask: Ask::Get { key },
        }));
        id
    }

    fn end(&mut self, id: u64, outcome: Outcome) {
        let at_ns = self.now();
        self.events.push(Event::Complete(Complete { at_ns, id, coordinator: None, outcome }));
    }
}

type Shared = Arc<Mutex<Lines>>;

async fn look_at_all(client: &Client, history: &History, lines: &Shared) -> Result<(), Failed> {
    let expiring = expiring(history);
    let mut looks = JoinSet::new();
    for (number, name) in (0..).zip(history.keys()) {
        while looks.len() >= AT_ONCE {
            done(looks.join_next().await)?;
        }
        let (client, key, lines) = (client.clone(), name.key.clone(), Arc::clone(lines));
        let expires = expiring.contains(&number);
        looks.spawn(async move {
            let read = read_at_all(&client, &key, &lines).await?;
            let explained = equal_copies(&client, &key).await?;
            // What has expired may be there with its value, without it, or no more.
            if !expires {
                note_copies(&lines, &key, &read, &explained)?;
            }
            Ok(())
        });
    }
    while let Some(look) = looks.join_next().await {
        done(Some(look))?;
    }
    Ok(())
}

fn done(look: Option<Result<Result<(), String>, tokio::task::JoinError>>) -> Result<(), Failed> {
    match look {
        Some(Ok(Err(why))) => Err(why.into()),
        Some(Err(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Keys that were given values that expire.
fn expiring(history: &History) -> BTreeSet<KeyNumber> {
    let expires = |kind: &OpKind| match kind {
        OpKind::Put { key, expires: true, .. } => Some(*key),
        _ => None,
    };
    history.ops().iter().filter_map(|op| expires(&op.kind)).collect()
}

/// Reads until all replicas have answered.
async fn read_at_all(client: &Client, key: &Key, lines: &Shared) -> Result<Read, String> {
    let began = Instant::now();
    let options = Options::default().level(Level::All);
    loop {
        let id = locked(lines).begin(key.clone());
        let reply = client.get(key.bytes().to_vec(), &options).await;
        let outcome = reply.as_ref().map_or_else(failed, |reply| found(&reply.value));
        locked(lines).end(id, outcome);
        match reply {
            Ok(reply) => return Ok(reply.value),
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(format!("{key} can't be read at ALL within {PATIENCE:?}: {error}"));
            }
            Err(_) => tokio::time::sleep(PACE).await,
        }
    }
}

fn locked(lines: &Shared) -> std::sync::MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn found(read: &Read) -> Outcome {
    match read {
        Read::Found(record) => Outcome::Found(record.into()),
        Read::Deleted { version } => Outcome::Deleted { version: *version },
        Read::NotFound { expired } => Outcome::NotFound { expired: *expired },
    }
}

fn failed(error: &ClientError) -> Outcome {
    match error {
        ClientError::Unavailable { required, alive, .. } => {
            Outcome::Unavailable { required: *required, alive: *alive }
        }
        _ => Outcome::TimedOut { answered: 0, required: 0 },
    }
}

/// Looks until all copies are the same one.
async fn equal_copies(client: &Client, key: &Key) -> Result<Explanation, String> {
    let began = Instant::now();
    loop {
        let explained = client.explain(key.bytes().to_vec(), &Options::default()).await;
        let explained = explained.map(|reply| reply.value);
        match explained {
            Ok(explained) if all_equal(&explained) => return Ok(explained),
            Ok(Explanation { replicas, .. }) if began.elapsed() > PATIENCE => {
                return Err(format!("the copies of {key} are not equal within {PATIENCE:?}: {replicas:?}"));
            }
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(format!("the copies of {key} can't be seen within {PATIENCE:?}: {error}"));
            }
            _ => {}
        }
        tokio::time::sleep(PACE).await;
    }
}

fn all_equal(explained: &Explanation) -> bool {
    let known = |copy: &CopyView| !matches!(copy, CopyView::Refused(_) | CopyView::Silent);
    let copies = &explained.replicas;
    copies.iter().all(|view| known(&view.copy)) && copies.windows(2).all(|two| two[0].copy == two[1].copy)
}

/// Writes down what each replica has; `read` is the value that goes with the version.
fn note_copies(lines: &Shared, key: &Key, read: &Read, explained: &Explanation) -> Result<(), String> {
    let seen = match read {
        Read::Found(record) => Some(record.version),
        Read::Deleted { version } => Some(*version),
        Read::NotFound { expired } => *expired,
    };
    let mut lines = locked(lines);
    for view in &explained.replicas {
        let record = match (&view.copy, read) {
            (CopyView::Present { version, .. }, Read::Found(record)) if record.version == *version => {
                Some(Held::from(record))
            }
            (CopyView::Tombstone { version }, _) => {
                Some(Held { version: *version, value: None, expiry_version: None, expires_at_ms: None })
            }
            (CopyView::Absent, _) => None,
            (CopyView::Present { version, .. }, _) if Some(*version) < seen => {
                return Err(format!("{key} was read as {seen:?}, and later {} has {version}", view.node));
            }
            // Something newer than was read: the hint or the request of a write that nobody was told of.
            _ => continue,
        };
        let (at_ns, key) = (lines.now(), key.clone());
        let (node, keyspace, moment) = (view.node, None, When::Final);
        lines.events.push(Event::Copy(CopySeen { at_ns, node, keyspace, key, record, moment }));
    }
    Ok(())
}
