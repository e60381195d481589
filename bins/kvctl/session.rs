//! A connected client with what the verbs need beside it: names, the ring as it was told, the time a request may take.

use std::time::Duration;

use quorate_client::{Client, ClientConfig, ClientError, Options};
use quorate_types::{Level, NodeId};
use quorate_wire::{NodeStatus, RingView};

use crate::answer::Answer;
use crate::cli::Manner;
use crate::endpoints::Endpoints;
use crate::exit::Exit;
use crate::failure::{self, Asked, Down};
use crate::text::{Names, age};

/// How long to ask for what only makes an answer better.
const EXTRA: Duration = Duration::from_millis(500);

/// See the module's head.
pub struct Session {
    pub client: Client,
    pub names: Names,
    pub view: Option<RingView>,
    pub timeout: Duration,
}

impl Session {
    /// Connects to the cluster behind `endpoints`, or says why not.
    pub async fn open(endpoints: Endpoints, timeout: Duration) -> Result<Session, Answer> {
        let mut config = ClientConfig::new(endpoints.addrs);
        config.cluster = endpoints.cluster;
        config.deadline = timeout;
        config.connect_timeout = config.connect_timeout.min(timeout);
        let asked = Asked { verb: "connect", key: None, level: None };
        let client = Client::connect(config).await.map_err(|error| {
            let mut answer = failure::answer(asked, &error, &Names::default(), &Vec::new());
            answer.note.extend(["  endpoints from ", &endpoints.source, "\n"]);
            answer
        })?;
        Ok(Session::of(client, timeout).await)
    }

    /// The session of a client that is connected.
    pub async fn of(client: Client, timeout: Duration) -> Session {
        let options = Options::default().deadline(timeout);
        let view = client.ring(&options).await.ok().map(|reply| reply.value);
        let names = view.as_ref().map(Names::of).unwrap_or_default();
        Session { client, names, view, timeout }
    }

    /// The options of a request, at `level`; or why they make none.
    pub fn options(&self, manner: &Manner, level: Option<Level>) -> Result<Options, Answer> {
        let mut options = Options::default().deadline(self.timeout);
        if let Some(level) = level {
            options = options.level(level);
        }
        if let Some(keyspace) = &manner.keyspace {
            self.check_keyspace(keyspace)?;
            options = options.keyspace(keyspace);
        }
        if manner.no_retry {
            options = options.without_retries();
        }
        if let Some(name) = &manner.coordinator {
            options = options.coordinator(self.node(name)?);
        }
        Ok(options)
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Result<NodeId, Answer> {
        let nodes = self.view.iter().flat_map(|view| &view.nodes);
        let mut known: Vec<&str> = nodes.map(|node| node.name.as_str()).collect();
        known.sort_unstable();
        // Without a ring the names are not known: the number follows from the name all the same.
        if known.is_empty() || known.contains(&name) {
            return Ok(NodeId::of_name(name));
        }
        Err(rejected(&format!("no node {name:?}; the nodes are {}", known.join(", "))))
    }

    /// That there is a keyspace called `name`, as far as the ring is known.
    fn check_keyspace(&self, name: &str) -> Result<(), Answer> {
        let Some(view) = &self.view else { return Ok(()) };
        let known: Vec<&str> = view.keyspaces.iter().map(|keyspace| keyspace.name.as_str()).collect();
        if known.contains(&name) {
            return Ok(());
        }
        Err(rejected(&format!("no keyspace {name:?}; the keyspaces are {}", known.join(", "))))
    }

    /// The answer that says why `asked` failed, with who is down where that is the reason.
    pub async fn failed(&self, asked: Asked<'_>, error: &ClientError) -> Answer {
        let concerns_nodes = matches!(
            error,
            ClientError::Unavailable { .. }
                | ClientError::Indeterminate { .. }
                | ClientError::ReadTimedOut { .. }
        );
        let down = if concerns_nodes { self.down().await } else { Vec::new() };
        failure::answer(asked, error, &self.names, &down)
    }

    /// Who is down, as any node sees it; none if no node says so soon.
    async fn down(&self) -> Down {
        let status = self.client.status(&Options::default().deadline(EXTRA)).await;
        let Ok(NodeStatus { peers, .. }) = status.map(|reply| reply.value) else { return Vec::new() };
        let dead = peers.iter().filter(|peer| !peer.alive);
        dead.map(|peer| format!("{} down {}", self.names.name(peer.node), age(peer.since_ms))).collect()
    }
}

/// A request that was not sent, as it names what there is not.
fn rejected(why: &str) -> Answer {
    let fields = serde_json::json!({ "result": "rejected", "error": why, "state": "nothing_sent" });
    Answer::new(Exit::Usage, "", fields).with_note(format!("error: {why}\n  state: nothing was sent\n"))
}
