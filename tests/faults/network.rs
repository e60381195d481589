//! Replicas each in a network of its own, joined by a bridge; nft cuts what comes into one from another.
//!
//! The bridge and the clients are in this program's own network, which it makes when it starts: nothing of the
//! machine's network is used or changed, and no rule is set outside of the replicas' networks.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use libtest_mimic::Failed;

use crate::cases::{Outcome, passed, skipped};
use crate::harness::{Cluster, Spec};
use crate::namespace;
use crate::settings::Settings;
use crate::storm::{Storm, rounds, spec};
use crate::tools::{poll, tool};

const PAUSE_MS: u64 = 300;
/// The longest time for which something is cut: longer than a replica takes to call another dead.
const CUT_MS: u64 = 2_200;
/// The number of the bridge in its subnet, far from those of replicas.
const HUB: usize = 254;

/// One direction between two replicas, groups that don't hear each other, or nobody hears anybody, for a while.
pub fn one_way_cuts_and_partitions_break_no_promise(settings: &Settings) -> Result<Outcome, Failed> {
    if let Err(why) = probe() {
        return skipped(why);
    }
    let judged = rounds(settings, |seed| {
        let nets = Nets::make(spec().nodes)?;
        let mut cluster = Cluster::prepare(&Spec { subnet: Some(nets.subnet.clone()), ..spec() });
        for k in 1..=cluster.nodes() {
            cluster.launch(k).before = nets.enter(k).into_iter().map(Into::into).collect();
        }
        cluster.start_all();
        let mut storm = Storm::begin("network", seed, settings, cluster)?;
        let first = storm.chance.below(CUTS.len() as u64) as usize;
        for (planted, cut) in CUTS.iter().cycle().skip(first).enumerate() {
            if planted >= CUTS.len() && !storm.rages() {
                break;
            }
            storm.pause(PAUSE_MS);
            cut(&mut storm, &nets)?;
            storm.pause(CUT_MS);
            nets.heal()?;
        }
        storm.end()
    })?;
    passed(judged.to_string())
}

type Cut = fn(&mut Storm, &Nets) -> Result<(), Failed>;

const CUTS: &[Cut] = &[one_way, one_off, two_against_two, each_by_itself];

fn one_way(storm: &mut Storm, nets: &Nets) -> Result<(), Failed> {
    let (k, nodes) = (storm.anyone(), storm.cluster.nodes());
    let to = 1 + (k + storm.chance.below(nodes as u64 - 1) as usize) % nodes;
    storm.count("one way cut");
    nets.drop_from(to, k)
}

fn one_off(storm: &mut Storm, nets: &Nets) -> Result<(), Failed> {
    let k = storm.anyone();
    storm.count("one replica cut off");
    part(storm, nets, &[k])
}

fn two_against_two(storm: &mut Storm, nets: &Nets) -> Result<(), Failed> {
    let k = storm.anyone();
    storm.count("two against two");
    part(storm, nets, &[k, 1 + k % storm.cluster.nodes()])
}

fn each_by_itself(storm: &mut Storm, nets: &Nets) -> Result<(), Failed> {
    storm.count("each by itself");
    (1..=storm.cluster.nodes()).try_for_each(|k| part(storm, nets, &[k]))
}

/// These and the others don't hear each other.
fn part(storm: &Storm, nets: &Nets, these: &[usize]) -> Result<(), Failed> {
    for other in (1..=storm.cluster.nodes()).filter(|other| !these.contains(other)) {
        for one in these {
            nets.drop_from(other, *one)?;
            nets.drop_from(*one, other)?;
        }
    }
    Ok(())
}

/// Whether networks can be made and cut here; else why not.
fn probe() -> Result<(), String> {
    namespace::has("--net")?;
    tool(Command::new("nft").arg("--version"))?;
    let nets = Nets::make(2)?;
    let reached = |nets: &Nets| {
        let to = format!("/dev/tcp/{}.2/9", nets.subnet);
        // Nobody listens: refused at once if a packet comes through, and silence if none does.
        let said = tool(Command::new("timeout").args(["0.5", "bash", "-c", &format!("exec 3<>{to}")]));
        said.is_err_and(|why| why.contains("refused"))
    };
    if !poll(|| reached(&nets)) {
        return Err("a packet does not find its way between two networks".to_owned());
    }
    nets.drop_from(2, HUB).map_err(|why| why.message().unwrap_or("nft").to_owned())?;
    if reached(&nets) {
        return Err("nft drops nothing here".to_owned());
    }
    Ok(())
}

/// A network for each replica; dropped, they are gone.
struct Nets {
    subnet: String,
    bridge: String,
    /// A process in each, which holds it.
    holders: Vec<Child>,
}

impl Nets {
    fn make(nodes: usize) -> Result<Nets, String> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut nets =
            Nets { subnet: format!("10.97.{number}"), bridge: format!("hub{number}"), holders: Vec::new() };
        ip(&["link", "add", &nets.bridge, "type", "bridge"])?;
        let hub = format!("{}.{HUB}/24", nets.subnet);
        ip(&["addr", "add", &hub, "dev", &nets.bridge])?;
        ip(&["link", "set", &nets.bridge, "up"])?;
        for k in 1..=nodes {
            nets.add(number, k)?;
        }
        Ok(nets)
    }

    fn add(&mut self, number: u8, k: usize) -> Result<(), String> {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sleep", "infinity"]).stdin(Stdio::null());
        self.holders.push(holder.spawn().map_err(|error| format!("unshare: {error}"))?);
        let holder = self.holders[k - 1].id().to_string();
        let own = std::fs::read_link("/proc/self/ns/net").map_err(|error| error.to_string())?;
        let theirs = || std::fs::read_link(format!("/proc/{holder}/ns/net"));
        if !poll(|| theirs().is_ok_and(|theirs| theirs != own)) {
            return Err("unshare made no network".to_owned());
        }
        let port = format!("p{number}-{k}");
        ip(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &holder])?;
        ip(&["link", "set", &port, "master", &self.bridge, "up"])?;
        let addr = format!("{}.{k}/24", self.subnet);
        self.within(k, &["ip", "addr", "add", &addr, "dev", "eth0"])?;
        self.within(k, &["ip", "link", "set", "eth0", "up"])?;
        self.within(k, &["ip", "link", "set", "lo", "up"])?;
        self.within(k, &["nft", "add", "table", "ip", "cuts"])?;
        let chain = "{ type filter hook input priority 0; }";
        self.within(k, &["nft", "add", "chain", "ip", "cuts", "in", chain])
    }

    /// What to put before a command that shall run in the network of replica `k`.
    fn enter(&self, k: usize) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net=/proc/{}/ns/net", self.holders[k - 1].id())]
    }

    fn within(&self, k: usize, command: &[&str]) -> Result<(), String> {
        let enter = self.enter(k);
        tool(Command::new(&enter[0]).args(&enter[1..]).args(command)).map(drop)
    }

    /// Replica `k` hears no more from `from`.
    fn drop_from(&self, k: usize, from: usize) -> Result<(), Failed> {
        let from = format!("{}.{from}", self.subnet);
        Ok(self.within(k, &["nft", "add", "rule", "ip", "cuts", "in", "ip", "saddr", &from, "drop"])?)
    }

    /// All hear each other again.
    fn heal(&self) -> Result<(), Failed> {
        for k in 1..=self.holders.len() {
            self.within(k, &["nft", "flush", "chain", "ip", "cuts", "in"])?;
        }
        Ok(())
    }
}

impl Drop for Nets {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            let _ = holder.kill().and_then(|()| holder.wait());
        }
        let _ = ip(&["link", "del", &self.bridge]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    tool(Command::new("ip").args(arguments)).map(drop)
}
