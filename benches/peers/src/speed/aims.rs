//! What the project set out to reach, beside what was measured.

use std::fmt::Write;

use super::{Board, Measured, Replays, Temperature, Workload};
use crate::contenders::{BARE, NAIVE, OURS};

/// One aim.
pub struct Aim {
    /// For people.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What it is to be.
    pub wanted: Wanted,
}

/// Which side of a number is the good one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// That much or more.
    AtLeast(f64),
    /// That much or less.
    AtMost(f64),
}

impl Aim {
    /// Whether it is met.
    pub fn is_met(&self) -> bool {
        match self.wanted {
            Wanted::AtLeast(bound) => self.measured >= bound,
            Wanted::AtMost(bound) => self.measured <= bound,
        }
    }
}

/// All aims about which something was measured.
pub fn aims(board: &Board, replays: Option<&Replays>) -> Vec<Aim> {
    let mut aims = Vec::new();
    let mut aim = |what: String, measured: Option<f64>, wanted: Wanted| {
        aims.extend(measured.map(|measured| Aim { what, measured, wanted }));
    };
    let writers = |writers| Workload::Durable { writers };
    let of_bare = board.ratio(writers(1), OURS, BARE);
    aim("durable, 1 writer: of the bare calls".to_owned(), of_bare, Wanted::AtLeast(0.95));
    let of_naive = board.ratio(writers(64), OURS, NAIVE);
    aim("durable, 64 writers: of naive".to_owned(), of_naive, Wanted::AtLeast(15.0));
    for count in [1, 8, 64] {
        let (peer, ratio) = beside_the_best(board, writers(count)).unzip();
        let what = format!("durable, {count} writers: of the best peer ({})", peer.unwrap_or_default());
        aim(what, ratio, Wanted::AtLeast(1.0));
    }
    let p99 = in_bare_p50(board);
    aim("durable, 64 writers: p99 in p50s of the bare calls".to_owned(), p99, Wanted::AtMost(4.0));
    let (peer, ratio) = beside_the_best(board, Workload::Buffered).unzip();
    let what = format!("buffered: of the best peer ({})", peer.unwrap_or_default());
    aim(what, ratio, Wanted::AtLeast(1.0));
    if let Some(replays) = replays {
        let warm = |value: fn(&super::Replayed) -> f64| replays.median(Temperature::Warm, OURS, value);
        let rate = warm(|replayed| replayed.per_second() / 1e6);
        aim("replay, warm: million records/s".to_owned(), rate, Wanted::AtLeast(10.0));
        aim("replay: memory, MiB".to_owned(), warm(super::Replayed::memory_mib), Wanted::AtMost(64.0));
    }
    aims
}

/// The peer that ours is least ahead of, and by how much.
fn beside_the_best(board: &Board, workload: Workload) -> Option<(&'static str, f64)> {
    let peers = board.contenders(workload).filter(|name| ![OURS, BARE, NAIVE].contains(name));
    let ratios = peers.filter_map(|peer| Some((peer, board.ratio(workload, OURS, peer)?)));
    ratios.min_by(|(_, one), (_, other)| one.total_cmp(other))
}

/// The p99 of 64 writers, in units of the bare calls' median.
fn in_bare_p50(board: &Board) -> Option<f64> {
    let at = |contender, writers| board.rounds(Workload::Durable { writers }, contender);
    let pairs = at(OURS, 64).iter().zip(at(BARE, 1));
    let ratio =
        |(ours, bare): (&Measured, &Measured)| Some(ours.percentile_us(99.0)? / bare.percentile_us(50.0)?);
    super::median(pairs.filter_map(ratio).collect())
}

/// In Markdown.
pub fn aims_table(aims: &[Aim]) -> String {
    let mut table = String::from("| aim | wanted | measured | |\n|---|---|---|---|\n");
    for aim in aims {
        let wanted = match aim.wanted {
            Wanted::AtLeast(bound) => format!(">= {bound}"),
            Wanted::AtMost(bound) => format!("<= {bound}"),
        };
        let verdict = if aim.is_met() { "met" } else { "**missed**" };
        let _ = writeln!(table, "| {} | {wanted} | {:.2} | {verdict} |", aim.what, aim.measured);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ours_is_held_against_the_peer_it_is_least_ahead_of_and_not_against_the_yardsticks() {
        let mut board = Board::default();
        for (name, records) in [(OURS, 90), (BARE, 500), (NAIVE, 400), ("slow", 10), ("fast", 100)] {
            board.enter(Workload::Buffered, name, Measured::bulk(records, Duration::from_secs(1)));
        }
        let aims = aims(&board, None);
        assert_eq!(aims.len(), 1);
        assert_eq!(aims[0].what, "buffered: of the best peer (fast)");
        assert!((aims[0].measured - 0.9).abs() < 1e-9 && !aims[0].is_met());
    }
}
