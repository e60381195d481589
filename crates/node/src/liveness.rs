//! Who is alive, as the links show it.
//!
//! Invariants:
//! - a peer is alive while some link *that we dialled* is up and something was heard on it within `silent_after`:
//!   what a peer sends on its own links proves that it can reach us, not that we can reach it;
//! - a link that was refused or reset means down at once; the next message heard means alive again at once;
//! - silence is counted in our own running time: after a pause of this process the clocks of all links restart, so
//!   that a stopped node convicts nobody (CASSANDRA-9183).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quorate_coordinator::Liveness;
use quorate_types::{Mono, NodeId, Now};
use quorate_wire::PeerMessage;

use crate::config::LivenessConfig;
use crate::event::{DialFailure, LinkId, LinkLoss, LinkPeer};

/// Why a peer is believed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DownReason {
    /// No link to it has come up yet.
    NotConnected,
    /// Nothing was heard of it in time.
    Silent,
    /// The last link to it ended.
    LinkLost(LinkLoss),
    /// A dial failed.
    DialFailed(DialFailure),
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::NotConnected => f.write_str("no link to it has come up yet"),
            DownReason::Silent => f.write_str("nothing was heard of it in time"),
            DownReason::LinkLost(why) => why.fmt(f),
            DownReason::DialFailed(why) => why.fmt(f),
        }
    }
}

/// A peer that came up or went down, as one shard sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerChange {
    /// The peer.
    pub peer: NodeId,
    /// Why it is believed down; `None`: it is alive.
    pub down: Option<DownReason>,
}

/// One peer.
#[derive(Debug)]
struct Peer {
    alive: bool,
    since: Mono,
    down: DownReason,
    rtt_us: u32,
    ahead_ms: i64,
    /// What its wall clock showed at our running time 0, if it told.
    wall_at_start_ms: Option<i64>,
    /// Not urged again before this.
    urge_after: Mono,
}

/// One link that we dialled.
#[derive(Debug)]
struct Line {
    peer: NodeId,
    heard: Mono,
    ping: u64,
    pinged: Mono,
    answered: bool,
}

/// The peers and the links to them.
#[derive(Debug)]
pub(crate) struct Peers {
    me: NodeId,
    config: LivenessConfig,
    known: BTreeMap<NodeId, Peer>,
    lines: BTreeMap<LinkId, Line>,
    changes: Vec<PeerChange>,
    last_turn: Option<Mono>,
    ping_due: Mono,
    /// Most nodes' wall clocks showed this or less at our running time 0; unknown before enough of them told.
    most_at_start_ms: Option<i64>,
}

impl Liveness for Peers {
    fn is_alive(&self, node: NodeId) -> bool {
        node == self.me || self.known.get(&node).is_some_and(|peer| peer.alive)
    }

    /// The coordinator measures its own reads, queueing on this side included; pings know less.
    fn read_p99(&self, _: NodeId) -> Option<Duration> {
        None
    }
}

impl Peers {
    /// All of `members` but `me`, down.
    pub(crate) fn new(
        me: NodeId,
        members: impl IntoIterator<Item = NodeId>,
        config: LivenessConfig,
    ) -> Peers {
        let peer = || Peer {
            alive: false,
            since: Mono(0),
            down: DownReason::NotConnected,
            rtt_us: 0,
            ahead_ms: 0,
            wall_at_start_ms: None,
            urge_after: Mono(0),
        };
        let known = members.into_iter().filter(|&node| node != me).map(|node| (node, peer())).collect();
        Peers {
            me,
            config,
            known,
            lines: BTreeMap::new(),
            changes: Vec::new(),
            last_turn: None,
            ping_due: Mono(0),
            most_at_start_ms: None,
        }
    }

    /// To be called first with whatever `now` an event brings: a gap in which we did not run is nobody's silence.
    pub(crate) fn on_time(&mut self, now: Mono) {
        let gap = self.last_turn.map_or(Duration::ZERO, |last| now.since(last));
        if gap > self.config.ping_every * 2 {
            for line in self.lines.values_mut() {
                line.heard = (line.heard + gap.saturating_sub(self.config.ping_every)).min(now);
            }
        }
        self.last_turn = Some(now.max(self.last_turn.unwrap_or(now)));
    }

    pub(crate) fn on_outbound_up(&mut self, now: Mono, link: LinkId, peer: LinkPeer) {
        let line = Line { peer: peer.node, heard: now, ping: 0, pinged: now, answered: true };
        self.lines.insert(link, line);
        self.ping_due = now;
        self.revive(now, peer.node);
    }

    pub(crate) fn on_link_down(&mut self, now: Mono, link: LinkId, why: LinkLoss) {
        let Some(line) = self.lines.remove(&link) else { return };
        if !self.lines.values().any(|other| other.peer == line.peer) {
            self.convict(now, line.peer, DownReason::LinkLost(why));
        }
    }

    pub(crate) fn on_dial_failed(&mut self, now: Mono, peer: NodeId, why: DialFailure) {
        let gone = matches!(why, DialFailure::Refused | DialFailure::Reset);
        if gone || !self.lines.values().any(|line| line.peer == peer) {
            self.convict(now, peer, DownReason::DialFailed(why));
        }
    }

    /// Anything at all came on a link that we dialled.
    pub(crate) fn on_heard(&mut self, now: Mono, link: LinkId) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        line.heard = now;
        let peer = line.peer;
        if !self.known.get(&peer).is_some_and(|peer| peer.alive) {
            self.revive(now, peer);
        }
    }

    /// Anything at all came on a link that `peer` dialled: whether it should be dialled now.
    pub(crate) fn on_life(&mut self, now: Mono, peer: NodeId) -> bool {
        let every = self.config.ping_every;
        match self.known.get_mut(&peer) {
            Some(peer) if !peer.alive && now >= peer.urge_after => {
                peer.urge_after = now + every;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn on_pong(&mut self, now: Now, link: LinkId, number: u64, wall_ms: u64) {
        let Some(line) = self.lines.get_mut(&link).filter(|line| line.ping == number && !line.answered)
        else {
            return;
        };
        line.answered = true;
        let rtt = now.mono.since(line.pinged);
        let Some(peer) = self.known.get_mut(&line.peer) else { return };
        let sample = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1);
        peer.rtt_us = if peer.rtt_us == 0 { sample } else { peer.rtt_us - peer.rtt_us / 8 + sample / 8 };
        let half_ms = u64::try_from(rtt.as_millis() / 2).unwrap_or(0);
        let theirs_ms = wall_ms.saturating_add(half_ms).cast_signed();
        peer.ahead_ms = theirs_ms - now.wall_ms.cast_signed();
        peer.wall_at_start_ms = Some(theirs_ms - millis(now.mono));
        self.compare_clocks();
    }

    /// How far `wall_ms` is ahead of the clocks of most nodes that are alive, this one among them: for a stamp that far
    /// ahead, milliseconds. It is measured by our running time, so that a jump of our own wall clock shows at once.
    ///
    /// `None`: not known, because too few have told their clock; it takes two peers to outvote this node.
    pub(crate) fn ahead_of_most(&self, now: Mono, wall_ms: u64) -> Option<u64> {
        let most = self.most_at_start_ms? + millis(now);
        u64::try_from(wall_ms.cast_signed() - most).ok()
    }

    /// Whether enough peers have told their clock to know that ours is wrong; with one peer none ever will.
    pub(crate) fn are_clocks_compared(&self) -> bool {
        self.most_at_start_ms.is_some() || self.known.len() < 2
    }

    /// Finds the clock that is not behind those of most: of `k` that told, and ours, more than half.
    fn compare_clocks(&mut self) {
        let told = self.known.values().filter(|peer| peer.alive).filter_map(|peer| peer.wall_at_start_ms);
        let mut told: Vec<i64> = told.collect();
        told.sort_unstable();
        self.most_at_start_ms = told.get(told.len().div_ceil(2)).copied();
    }

    /// Convicts who was silent; links that were silent for very long are returned, to be closed.
    pub(crate) fn on_tick(&mut self, now: Mono) -> Vec<LinkId> {
        let silent = |line: &Line| now.since(line.heard) >= self.config.silent_after;
        let convicted: Vec<NodeId> = self
            .known
            .iter()
            .filter(|&(&node, peer)| peer.alive && self.lines.values().filter(|l| l.peer == node).all(silent))
            .map(|(&node, _)| node)
            .collect();
        for node in convicted {
            self.convict(now, node, DownReason::Silent);
        }
        let dead = |line: &Line| now.since(line.heard) >= self.config.close_after;
        self.lines.iter().filter(|(_, line)| dead(line)).map(|(&link, _)| link).collect()
    }

    /// Pings that are due.
    pub(crate) fn pings(&mut self, now: Now, sends: &mut Vec<(LinkId, PeerMessage)>) {
        if now.mono < self.ping_due || self.lines.is_empty() {
            return;
        }
        self.ping_due = now.mono + self.config.ping_every;
        for (&link, line) in &mut self.lines {
            if line.answered || now.mono.since(line.pinged) >= self.config.silent_after {
                line.ping += 1;
                line.pinged = now.mono;
                line.answered = false;
            }
            // A ping that was lost is sent again under its number, so that a late answer measures from the first.
            sends.push((link, PeerMessage::Ping { number: line.ping, wall_ms: now.wall_ms }));
        }
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<PeerChange> {
        std::mem::take(&mut self.changes)
    }

    /// When to come back.
    pub(crate) fn next_timer(&self) -> Option<Mono> {
        (!self.lines.is_empty()).then_some(self.ping_due)
    }

    /// How each peer is: alive, since when, round trip, how far its wall clock is ahead, why down.
    pub(crate) fn views(&self) -> impl Iterator<Item = PeerView> {
        self.known.iter().map(|(&node, peer)| PeerView {
            node,
            alive: peer.alive,
            since: peer.since,
            rtt_us: peer.rtt_us,
            clock_ahead_ms: peer.ahead_ms,
            in_flight: 0,
            why_down: (!peer.alive).then_some(peer.down),
        })
    }

    /// Whether `node` is a member at all.
    pub(crate) fn knows(&self, node: NodeId) -> bool {
        self.known.contains_key(&node)
    }

    fn revive(&mut self, now: Mono, node: NodeId) {
        let Some(peer) = self.known.get_mut(&node) else { return };
        if !peer.alive {
            peer.alive = true;
            peer.since = now;
            self.changes.push(PeerChange { peer: node, down: None });
            self.compare_clocks();
        }
    }

    fn convict(&mut self, now: Mono, node: NodeId, why: DownReason) {
        let Some(peer) = self.known.get_mut(&node) else { return };
        peer.down = why;
        if peer.alive {
            peer.alive = false;
            peer.since = now;
            self.changes.push(PeerChange { peer: node, down: Some(why) });
            self.compare_clocks();
        }
    }
}

fn millis(at: Mono) -> i64 {
    (at.0 / 1_000_000).cast_signed()
}

/// A peer as this shard sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// The peer.
    pub node: NodeId,
    /// Whether requests are sent to it.
    pub alive: bool,
    /// Since when; 0: since the start.
    pub since: Mono,
    /// Its ping's round trip, smoothed, microseconds; 0: none yet.
    pub rtt_us: u32,
    /// How far its wall clock is ahead of ours, milliseconds, as its last pong showed.
    pub clock_ahead_ms: i64,
    /// Writes and reads sent to it and not yet answered.
    pub in_flight: u64,
    /// Why it is believed down.
    pub why_down: Option<DownReason>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_types::Generation;

    const ME: NodeId = NodeId(1);
    const PEER: NodeId = NodeId(2);

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    fn far_end() -> LinkPeer {
        LinkPeer { node: PEER, generation: Generation(1), shard: 0, shards: 1 }
    }

    fn connected() -> Peers {
        let mut peers = Peers::new(ME, [ME, PEER], LivenessConfig::default());
        peers.on_time(at(0));
        peers.on_outbound_up(at(0), LinkId(1), far_end());
        assert_eq!(peers.take_changes(), [PeerChange { peer: PEER, down: None }]);
        peers
    }

    /// Runs to `to`, ticking as often as pings go out.
    fn run(peers: &mut Peers, from: u64, to: u64) -> Vec<LinkId> {
        let mut dead = Vec::new();
        for ms in (from..=to).step_by(250) {
            peers.on_time(at(ms));
            dead = peers.on_tick(at(ms));
        }
        dead
    }

    #[test]
    fn a_silent_peer_is_down_after_two_seconds_and_alive_at_its_next_word() {
        let mut peers = connected();
        run(&mut peers, 0, 1_750);
        assert!(peers.is_alive(PEER));
        run(&mut peers, 2_000, 2_000);
        assert!(!peers.is_alive(PEER));
        assert_eq!(peers.take_changes(), [PeerChange { peer: PEER, down: Some(DownReason::Silent) }]);
        peers.on_heard(at(2_100), LinkId(1));
        assert!(peers.is_alive(PEER));
    }

    #[test]
    fn a_pause_of_our_own_convicts_nobody() {
        let mut peers = connected();
        run(&mut peers, 0, 1_000);
        for pause_end in [31_000, 62_000] {
            run(&mut peers, pause_end, pause_end);
            assert!(peers.is_alive(PEER), "{pause_end}");
        }
        // Our own running time goes on counting.
        run(&mut peers, 62_250, 64_000);
        assert!(!peers.is_alive(PEER));
    }

    #[test]
    fn a_refused_dial_and_the_loss_of_the_last_link_mean_down_at_once() {
        let mut peers = connected();
        peers.on_dial_failed(at(5), PEER, DialFailure::TimedOut);
        assert!(peers.is_alive(PEER), "one shard's dial timed out, another link is up");
        peers.on_dial_failed(at(6), PEER, DialFailure::Refused);
        assert!(!peers.is_alive(PEER));
        let mut peers = connected();
        peers.on_outbound_up(at(1), LinkId(2), far_end());
        peers.on_link_down(at(2), LinkId(1), LinkLoss::Reset);
        assert!(peers.is_alive(PEER));
        peers.on_link_down(at(3), LinkId(2), LinkLoss::Reset);
        assert!(!peers.is_alive(PEER));
        let view = peers.views().next().unwrap();
        assert_eq!(view.why_down, Some(DownReason::LinkLost(LinkLoss::Reset)));
    }

    #[test]
    fn a_peer_that_is_down_and_talks_to_us_is_to_be_dialled_but_not_with_every_message() {
        let mut peers = Peers::new(ME, [ME, PEER], LivenessConfig::default());
        let urged: Vec<bool> = [0, 10, 249, 250].map(|ms| peers.on_life(at(ms), PEER)).into();
        assert_eq!(urged, [true, false, false, true]);
        peers.on_outbound_up(at(300), LinkId(1), far_end());
        assert!(!peers.on_life(at(900), PEER));
        assert!(!peers.on_life(at(900), NodeId(77)), "no member");
    }

    #[test]
    fn a_link_silent_for_very_long_is_to_be_closed() {
        let mut peers = connected();
        assert_eq!(run(&mut peers, 0, 9_750), []);
        assert_eq!(run(&mut peers, 10_000, 10_000), [LinkId(1)]);
    }

    #[test]
    fn pings_go_out_at_their_pace_and_pongs_measure_the_round_trip_and_the_clock() {
        let mut peers = connected();
        let now = |ms| Now { mono: at(ms), wall_ms: 5_000 + ms };
        let mut sends = Vec::new();
        for ms in [0, 100, 249, 250] {
            peers.pings(now(ms), &mut sends);
            peers.on_pong(now(ms + 4), LinkId(1), 1, 5_000 + ms + 700);
        }
        let numbers: Vec<_> = sends
            .iter()
            .map(|(_, m)| match m {
                PeerMessage::Ping { number, .. } => *number,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(numbers, [1, 2]);
        let view = peers.views().next().unwrap();
        assert_eq!((view.rtt_us, view.clock_ahead_ms), (4_000, 698));
    }

    #[test]
    fn it_takes_two_peers_to_outvote_our_own_clock_and_a_jump_of_it_shows_at_once() {
        let nodes = [ME, PEER, NodeId(3), NodeId(4)];
        let mut peers = Peers::new(ME, nodes, LivenessConfig::default());
        let now = Now { mono: at(1_000), wall_ms: 500_000 };
        for (link, node) in (1..).zip(nodes).skip(1) {
            peers.on_outbound_up(at(1_000), LinkId(link), LinkPeer { node, ..far_end() });
        }
        peers.pings(now, &mut Vec::new());
        let lead = |peers: &Peers, ms, wall_ms| peers.ahead_of_most(at(ms), wall_ms);
        peers.on_pong(now, LinkId(2), 1, 500_000);
        assert_eq!(lead(&peers, 1_000, 900_000), None, "one against one");
        peers.on_pong(now, LinkId(3), 1, 500_200);
        assert_eq!(lead(&peers, 1_000, 500_700), Some(500), "behind both");
        assert_eq!(lead(&peers, 1_000, 500_100), None, "behind one of two");
        peers.on_pong(now, LinkId(4), 1, 100_000);
        assert_eq!(lead(&peers, 1_000, 500_700), Some(500), "whose clock is slow convicts nobody");
        assert_eq!(lead(&peers, 3_000, 502_000), None);
        assert_eq!(lead(&peers, 3_000, 4_102_200), Some(3_600_000));
        peers.on_link_down(at(3_000), LinkId(3), LinkLoss::Closed);
        assert_eq!(lead(&peers, 3_000, 4_102_000), Some(3_600_000));
        peers.on_link_down(at(3_000), LinkId(2), LinkLoss::Closed);
        assert_eq!(lead(&peers, 3_000, 4_102_000), None);
    }
}
