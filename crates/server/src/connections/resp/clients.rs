//! Who is connected, over all shards: what `CLIENT LIST` shows and `CLIENT KILL` goes by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_resp::{ClientFacts, Whom};

use super::half_commands::HalfCommands;
use crate::connections::ConnectionId;

/// See the module. Locked only when a client comes, goes, names itself or asks.
#[derive(Debug, Default)]
pub(crate) struct RespClients {
    clients: Mutex<BTreeMap<u64, ClientFacts>>,
    /// What all of them have sent of commands that are not whole.
    pub(crate) half_commands: Arc<HalfCommands>,
}

impl RespClients {
    pub(crate) fn set(&self, connection: ConnectionId, facts: ClientFacts) {
        self.lock().insert(connection.0, facts);
    }

    pub(crate) fn remove(&self, connection: ConnectionId) {
        self.lock().remove(&connection.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn all(&self) -> Vec<ClientFacts> {
        self.lock().values().cloned().collect()
    }

    /// The connections that are meant.
    pub(crate) fn fitting(&self, whom: &Whom) -> Vec<ConnectionId> {
        let clients = self.lock();
        clients.iter().filter(|(_, client)| whom.fits(client)).map(|(&id, _)| ConnectionId(id)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, ClientFacts>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
