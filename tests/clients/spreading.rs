//! Cluster clients at four nodes: their requests go to all of them, and they go on when one is killed.

use libtest_mimic::Failed;

use crate::doors;
use crate::harness::Cluster;
use crate::install::Missing;
use crate::runs::Runs;

const NODES: usize = 4;
/// The programs set and get so many keys.
const KEYS: u64 = 400;

/// `Ok(Some)`: there is no client, and why.
pub fn live(runs: &Runs) -> Result<Option<String>, Failed> {
    let (cluster, door) = doors::start(NODES, "cluster = true");
    for case in ["spread", "outlive"] {
        let before = commands(&cluster);
        let victim = cluster.pid(NODES).ok_or("no victim")?;
        match runs.spread(&door, case, victim) {
            Ok(ran) => ran?,
            Err(Missing::Skipped(why)) => return Ok(Some(why)),
            Err(Missing::Broken(why)) => return Err(why.into()),
        }
        let after = commands(&cluster);
        let taken: Vec<u64> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
        all_took_their_share(case, &taken)?;
    }
    Ok(None)
}

/// The commands that each node has counted, as its metrics say; of one that is dead nobody knows.
fn commands(cluster: &Cluster) -> Vec<u64> {
    let counted = |k| {
        let status = cluster.status(k)?;
        status.counters.iter().find(|(name, _)| name == "resp_commands").map(|(_, count)| *count)
    };
    (1..=NODES).filter_map(counted).collect()
}

fn all_took_their_share(case: &str, taken: &[u64]) -> Result<(), Failed> {
    let alive = if case == "outlive" { NODES - 1 } else { NODES };
    // Each is asked for a quarter of the keys, twice; half of that allows for keys that hash badly.
    let least = 2 * KEYS / NODES as u64 / 2;
    if taken.len() == alive && taken.iter().all(|count| *count >= least) {
        return Ok(());
    }
    Err(format!("{case}: commands by node: {taken:?}, of {alive} nodes and {least} at least were expected")
        .into())
}
