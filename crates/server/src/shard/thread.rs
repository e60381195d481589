//! The thread of a shard: its runtime, its links, its loop; and the door, on shard 0.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use quorate_node::{Effects, LimitsReached, Shard};
use quorate_transport::{Listener, Transport, TransportError};
use quorate_types::{NodeId, Now};
use quorate_wal::Wal;
use tokio::runtime::{Builder, Runtime};

use crate::alarm::Alarm;
use crate::common::Common;
use crate::connections::desk::Desk;
use crate::connections::door::Door;
use crate::connections::http::asks::Asks;
use crate::connections::links::Links;
use crate::connections::resp::desk::RespDesk;
use crate::connections::resp::door::{OpenRespDoor, RespDoor, RespListening};
use crate::disk::hints::HintQueue;
use crate::error::StartError;
use crate::give_back::tell_pace;
use crate::metrics::requests::Meter;
use crate::shard::across::Across;
use crate::shard::admission::Admission;
use crate::shard::item::Item;
use crate::shard::log::{Inline, ShardLog};
use crate::shard::slow::SlowLog;
use crate::shard::turns::{Draining, ShardLoop};
use crate::shard::walking::Walking;

/// What the thread begins with.
pub(crate) struct ShardSeed {
    pub(crate) index: usize,
    pub(crate) common: Arc<Common>,
    pub(crate) shard: Shard,
    pub(crate) wal: Wal,
    pub(crate) inline: Inline,
    pub(crate) slice_bytes: usize,
    pub(crate) outstanding_max: usize,
    pub(crate) admission: Admission,
    pub(crate) slow_log: SlowLog,
    pub(crate) hints: HintQueue,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) peers: Vec<(NodeId, String)>,
    pub(crate) listening: Option<Listening>,
}

/// Where to listen, and for whom.
pub(crate) struct Listening {
    pub(crate) addr: String,
    pub(crate) door: Door,
    pub(crate) resp: Vec<RespListening>,
    pub(crate) resp_door: RespDoor,
}

/// Where a node listens, with the ports that were taken.
#[derive(Clone, Debug)]
pub(crate) struct Listens {
    pub(crate) addr: SocketAddr,
    pub(crate) resp: Vec<SocketAddr>,
}

impl ShardSeed {
    /// Reports whether it could start (and where it listens), then runs until the switch says stop.
    pub(crate) fn run(mut self, report: &Sender<Result<Option<Listens>, StartError>>) {
        let _alarm = Alarm::new("a shard", &self.common);
        let listening = self.listening.take();
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(failure) => return drop(report.send(Err(StartError::Thread(failure)))),
        };
        match runtime.block_on(open_door(listening, &self.transport)) {
            Ok(door) => {
                // If nobody hears it, the start was given up and the switch says stop.
                let _ = report.send(Ok(door.as_ref().map(OpenDoor::listens)));
                self.serve(&runtime, door);
            }
            Err(failure) => drop(report.send(Err(failure))),
        }
    }

    fn serve(self, runtime: &Runtime, door: Option<OpenDoor>) {
        runtime.block_on(async {
            if let Some(OpenDoor { door, listener, resp, .. }) = door {
                tokio::spawn(Arc::new(door).keep(listener));
                for door in resp {
                    tokio::spawn(door.keep());
                }
            }
            let inbox = Arc::clone(&self.common.inboxes[self.index]);
            tokio::spawn(tell_pace(move |pace| inbox.push(Item::GiveBack(pace))));
            self.into_loop().run().await;
        });
    }

    /// Must be called on the shard's runtime: the links begin to dial.
    fn into_loop(self) -> ShardLoop {
        let ShardSeed { index, common, shard, wal, hints, .. } = self;
        ShardLoop {
            index,
            shard,
            log: ShardLog::new(wal, &common, index, self.inline),
            links: Links::start(&common, &self.transport, &self.peers, index),
            hints,
            desk: Desk::new(Arc::clone(&common.counters)),
            resp: RespDesk::new(Arc::clone(&common), index),
            asks: Asks::default(),
            across: Across::new(index, &common.inboxes, self.outstanding_max),
            admission: self.admission,
            slow_log: self.slow_log,
            walking: Walking::new(self.slice_bytes),
            waiting: VecDeque::new(),
            effects: Effects::new(),
            refused: Vec::new(),
            draining: Draining::No,
            meter: Meter::new(common.overview.keyspaces()),
            now: Now::default(),
            limits_told: LimitsReached::default(),
            common,
        }
    }
}

/// A door with its listener.
struct OpenDoor {
    door: Door,
    listener: Box<dyn Listener>,
    local_addr: SocketAddr,
    resp: Vec<OpenRespDoor>,
}

impl OpenDoor {
    fn listens(&self) -> Listens {
        Listens { addr: self.local_addr, resp: self.resp.iter().map(|door| door.local_addr).collect() }
    }
}

async fn open_door(
    listening: Option<Listening>,
    transport: &Arc<dyn Transport>,
) -> Result<Option<OpenDoor>, StartError> {
    let Some(Listening { addr, door, resp, resp_door }) = listening else { return Ok(None) };
    let listener = transport.listen(&addr).await.map_err(|failure| cannot_listen(&addr, failure))?;
    let local_addr = listener.local_addr().parse().map_err(|_| StartError::AddressUnknown { addr })?;
    let mut open = Vec::with_capacity(resp.len());
    for listening in resp {
        open.push(listening.open(resp_door.clone()).map_err(StartError::Thread)?);
    }
    Ok(Some(OpenDoor { door, listener, local_addr, resp: open }))
}

fn cannot_listen(addr: &str, failure: TransportError) -> StartError {
    let addr = addr.to_owned();
    match failure {
        TransportError::AddressInUse { .. } => StartError::AddressTaken { addr },
        source => StartError::Listen { addr, source },
    }
}
