//! A shard's turns: what comes waits in its inbox, a turn takes all of it, and then carries out what the shard wants.
//!
//! Invariants: the order of what came is kept; a paused replica takes no turn, and the first one after the pause takes
//! everything that came in it; frames leave before the own log is written, as in the driver of a replica.

use quorate_coordinator::Origin;
use quorate_node::{Effects, Event, HintCommand};
use quorate_store::DiskError;
use quorate_types::Mono;
use quorate_wire::Response;
use std::time::Duration;

use super::replica::{HintAppend, SimReplica};
use super::{Action, Cluster, Heard, Moment, enveloped};
use crate::observe::Passing;

/// When an answer is slow: some are, in every run.
pub(super) const SLOW_AFTER: Duration = Duration::from_millis(5);
/// How long what a machine sent just before it died still arrives.
const LINGER: Duration = Duration::from_millis(5);

impl Cluster {
    /// Gives one event to one shard. A shard of a dead replica hears nothing.
    pub(super) fn feed(&mut self, k: usize, shard: usize, event: Event) {
        let (what, detail) = told(&event);
        self.note((k, shard), what, detail);
        let turn_at = self.kernel.now() + Duration::from_micros(self.spec.tuning.turn_us);
        let replica = self.replica(k);
        if let (Event::Request { .. }, Some(running)) = (&event, &mut replica.running) {
            running.accounts.requests += 1;
        }
        if replica.take_in(shard, event) {
            let life = replica.life;
            self.kernel.at(turn_at, Action::Turn { k, life, shard });
        }
    }

    pub(super) fn tell_all(&mut self, k: usize, event: &Event) {
        for shard in 0..self.replicas[k - 1].shards {
            self.feed(k, shard, event.clone());
        }
    }

    /// One turn of one shard, if it lives and is not paused.
    pub(super) fn take_turn(&mut self, k: usize, life: u64, shard: usize) {
        if self.replicas[k - 1].life != life || self.notices_darkness(k) {
            return;
        }
        let now = self.now_at(k);
        let mut out = Effects::new();
        if self.replica(k).turn(shard, now, &mut out) {
            self.carry_out(k, shard, &mut out);
            self.replica(k).falls_now();
            if self.replica(k).disk.is_dark() {
                // Noticed a little later: until then what it sent is on its way, as in a real network.
                self.replica(k).fall_silent();
                self.kernel.at(now.mono + LINGER, Action::Turn { k, life, shard });
            }
        } else {
            self.notices_darkness(k);
        }
    }

    /// Carries out what a shard wants done: frames first, then the log. Whoever dies on the way does not finish.
    fn carry_out(&mut self, k: usize, shard: usize, out: &mut Effects) {
        self.send_frames(k, shard, out);
        if self.replica(k).falls_behind(Moment::Frames) {
            return;
        }
        self.append_log(k, shard, out);
        if !self.replicas[k - 1].is_up() {
            return;
        }
        let running = self.replicas[k - 1].running.as_mut().expect("it is up");
        look_at_slow(self.kernel.now(), out);
        running.accounts.answered += (out.answers.len() + out.unanswered.len()) as u64;
        for (origin, response) in out.answers.drain(..) {
            self.hear(origin, Some(response.clone()));
            self.answers.insert((origin.session.0, origin.number), response);
        }
        for origin in out.unanswered.drain(..) {
            self.hear(origin, None);
        }
        for command in out.hints.drain(..) {
            self.run_hint_command(k, shard, command);
            if self.notices_darkness(k) {
                return;
            }
        }
        for peer in out.urge.drain(..) {
            self.urge((k, shard), peer);
        }
        for link in out.close.drain(..) {
            self.close(link, (k, shard));
        }
    }

    fn send_frames(&mut self, k: usize, shard: usize, out: &mut Effects) {
        let now = self.kernel.now();
        for (link, message) in out.sends.drain(..) {
            let Some((to, to_shard)) = self.links.other_end(link, (k, shard)) else { continue };
            let frame = quorate_wire::frame_of(&message).expect("within the frame's limit");
            if let Some(messages) = &mut self.messages {
                let (kind, bytes) = (message.kind(), frame.len());
                messages.push(Passing { at: now, from: k, to, kind, bytes, arrived: false });
            }
            let (from, to) = (super::place(k, shard), super::place(to, to_shard));
            self.network.send(now, from, to, enveloped(link, &frame));
        }
    }

    fn hear(&mut self, origin: Origin, response: Option<Response>) {
        let (session, number) = (origin.session.0, origin.number);
        self.note((0, 0), "answer", [session, number]);
        self.heard.push(Heard { at: self.kernel.now(), session, number, response });
    }

    fn run_hint_command(&mut self, k: usize, shard: usize, command: HintCommand) {
        let synced_at = self.sync_ends(k);
        let replica = &mut self.replicas[k - 1];
        let life = replica.life;
        match command {
            HintCommand::Append { target, hint } => {
                let appended = replica.in_scene(|this| this.hint_logs().append(target, &hint));
                let Some(appended) = appended else { return };
                let running = replica.running.as_mut().expect("it had a turn just now");
                let taken = appended.is_ok();
                running.accounts.hints_taken += u64::from(taken);
                running.accounts.hint_log_failed |=
                    matches!(appended, Err(why) if !matches!(why, DiskError::HintsFull { .. }));
                running.unsettled.push(HintAppend { target, shard, refused: !taken });
                self.kernel.at(synced_at, Action::HintsSynced { k, life, target });
            }
            HintCommand::ReadPage { target, after, bytes_max } => {
                let page = |this: &mut SimReplica| this.hint_logs().page(target, after, bytes_max as usize);
                let Some(page) = replica.in_scene(page) else { return };
                let answer =
                    page.map_or(Event::HintPageFailed { target }, |hints| Event::HintPage { target, hints });
                self.feed(k, shard, answer);
            }
            HintCommand::Delivered { target, through } => {
                // If the disk fails, they are delivered again.
                let forgotten = replica.in_scene(|this| this.hint_logs().delivered(target, through));
                let Some(forgotten) = forgotten else { return };
                let running = replica.running.as_mut().expect("it had a turn just now");
                running.accounts.hint_log_failed |= forgotten.is_err();
                let backlog = running.backlog(target);
                self.tell_all(k, &Event::HintsStored { target, settled: 0, refused: 0, backlog });
            }
        }
    }

    /// When a sync that replica `k` begins now will end.
    pub(super) fn sync_ends(&mut self, k: usize) -> Mono {
        let now = self.kernel.now();
        let (least, most) = (self.spec.tuning.sync_us_least, self.spec.tuning.sync_us_most);
        self.replica(k).sync_ends(now, (least, most))
    }
}

/// A replica logs of its slow requests what they asked for and what they waited for: each of its slow answers must come with
/// that, in the same order, and no other answer.
fn look_at_slow(now: Mono, out: &mut Effects) {
    let mut told = out.slow.drain(..).peekable();
    for (origin, _) in &out.answers {
        let elapsed = origin.tag.elapsed(now);
        let slow = told.next_if(|slow| slow.origin == *origin);
        assert_eq!(
            slow.is_some(),
            elapsed >= SLOW_AFTER,
            "of {origin:?}, answered after {elapsed:?}: {slow:?}"
        );
        if let Some(slow) = slow {
            let waited: Duration = slow.waits.iter().map(|wait| wait.took).sum();
            assert_eq!(waited, elapsed, "all the time of {slow:?} is accounted for");
        }
    }
    assert!(told.peek().is_none(), "told without an answer: {:?}", told.next());
}

/// An event for the trace: its kind, and what tells it from others of its kind. What a peer said is in the trace as
/// the frame that brought it.
fn told(event: &Event) -> (&'static str, [u64; 2]) {
    match event {
        Event::Request { origin, .. } => ("request", [origin.session.0, origin.number]),
        Event::TracedRequest(traced) => ("traced request", [traced.origin.session.0, traced.origin.number]),
        Event::SessionClosed { session } => ("session closed", [session.0, 0]),
        Event::LinkUp { link, peer, .. } => ("link up", [link.0, peer.generation.0]),
        Event::LinkDown { link, why } => ("link down", [link.0, word(why)]),
        Event::DialFailed { peer, why } => ("dial failed", [u64::from(peer.0), word(why)]),
        Event::Peer { link, .. } => ("peer", [link.0, 0]),
        Event::Logged { through } => ("logged", [*through, 0]),
        Event::LogFailed => ("log failed", [0, 0]),
        Event::HintsStored { target, settled, refused, backlog } => {
            ("hints stored", [u64::from(target.0) << 32 | settled << 16 | refused, backlog.durable])
        }
        Event::HintsFound { target, backlog } => ("hints found", [u64::from(target.0), backlog.durable]),
        Event::HintPage { target, hints } => ("hint page", [u64::from(target.0), hints.len() as u64]),
        Event::HintPageFailed { target } => ("hint page failed", [u64::from(target.0), 0]),
        Event::StoreReady { .. } => ("store ready", [0, 0]),
        Event::Tick => ("tick", [0, 0]),
        Event::Drain(drain) => ("drain", [*drain as u64, 0]),
    }
}

fn word(why: &impl std::fmt::Display) -> u64 {
    xxhash_rust::xxh3::xxh3_64(why.to_string().as_bytes())
}
