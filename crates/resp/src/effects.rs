//! What a connection wants done, and what it counted.

use quorate_types::NodeId;
use quorate_wire::RequestBody;

use crate::settings::ClientFacts;

/// One request for the node. Its answer comes to [`Connection::on_response`](crate::Connection::on_response).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The number that the answer carries.
    pub number: u64,
    /// Whether the answer shall say who did what.
    pub want_receipt: bool,
    /// What is asked.
    pub body: RequestBody,
}

/// A question about this node's connections, or its peers. The answer comes to [`Connection::on_told`](crate::Connection::on_told).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Who is there?
    Clients,
    /// End those that fit; how many were there?
    Kill(Whom),
    /// Which nodes should get no clients now?
    Down,
}

/// Connections that `CLIENT KILL` means: those that fit everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// By number.
    pub id: Option<u64>,
    /// By where they come from.
    pub addr: Option<String>,
    /// By where they came to.
    pub local_addr: Option<String>,
    /// Never this one.
    pub but: Option<u64>,
}

impl Whom {
    /// Whether `client` is meant.
    pub fn fits(&self, client: &ClientFacts) -> bool {
        let peer = &client.peer;
        self.id.is_none_or(|id| id == peer.id)
            && self.addr.as_ref().is_none_or(|addr| *addr == peer.addr)
            && self.local_addr.as_ref().is_none_or(|addr| *addr == peer.local_addr)
            && self.but != Some(peer.id)
    }
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Everybody.
    Clients(Vec<ClientFacts>),
    /// So many were ended.
    Killed(u64),
    /// These nodes.
    Down(Vec<NodeId>),
}

/// What came of an event.
#[derive(Debug, Default)]
pub struct Effects {
    /// Requests, in the order in which they shall reach the node.
    pub asks: Vec<Ask>,
    /// Questions to the driver.
    pub questions: Vec<(u64, Question)>,
    /// Whether what others may be told of the client has changed.
    pub facts_changed: bool,
    /// Whether the client spoke HTTP and was cut off: a web page may have made a browser do it.
    pub cross_protocol: bool,
    /// What was counted.
    pub counts: Counts,
}

impl Effects {
    /// Whether nothing is to be done but to send replies, and to count.
    pub fn is_quiet(&self) -> bool {
        self.asks.is_empty() && self.questions.is_empty() && !self.facts_changed && !self.cross_protocol
    }
}

/// What connections count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands executed or refused.
    pub commands: u64,
    /// Commands that are not offered, unknown ones among them.
    pub refused: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Commands refused because their reply would have been too large.
    pub replies_too_large: u64,
    /// Commands that were not whole in time.
    pub overdue: u64,
    /// Wrong passwords.
    pub auth_failures: u64,
    /// Connections that sent what is no command.
    pub garbled: u64,
    /// Connections that spoke HTTP.
    pub cross_protocol: u64,
}
