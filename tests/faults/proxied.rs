//! Replicas that dial each other, and are dialled by clients, through a proxy that delays, cuts and corrupts.

use std::sync::atomic::Ordering;

use libtest_mimic::Failed;

use crate::cases::{Outcome, passed};
use crate::harness::{Cluster, Spec};
use crate::proxy::Proxy;
use crate::settings::Settings;
use crate::storm::{Storm, rounds, spec};

/// The port on which replicas really listen; that of the configuration is the proxy's.
const BEHIND: &str = "7382";
const DELAY_MS_MAX: u64 = 150;
/// Above what clients wait, and what the others take for silence.
const LONG_DELAY_MS_MAX: u64 = 2_000;
const PAUSE_MS: u64 = 400;
const FLIP_ONE_IN: u64 = 150;

/// A cluster, all of whose connections go through the proxy.
fn behind_proxy(seed: u64) -> Result<(Cluster, Proxy), Failed> {
    let mut cluster = Cluster::prepare(&Spec { ..spec() });
    let nodes: Vec<usize> = (1..=cluster.nodes()).collect();
    let behind = |cluster: &Cluster, k: usize| format!("{}.{k}:{BEHIND}", cluster.subnet());
    let ways: Vec<_> = nodes.iter().map(|k| (cluster.addr(*k), behind(&cluster, *k))).collect();
    let proxy = Proxy::start(&ways, seed)?;
    for k in nodes {
        let listen = behind(&cluster, k);
        cluster.launch(k).arguments = vec!["--listen".into(), listen.into()];
    }
    cluster.start_all();
    Ok((cluster, proxy))
}

/// Up to a few hundred milliseconds most of the time, now and then seconds, and connections cut at any byte.
pub fn delay_and_cut_connections_break_no_promise(settings: &Settings) -> Result<Outcome, Failed> {
    let mut connections = 0;
    let judged = rounds(settings, |seed| {
        let (cluster, proxy) = behind_proxy(seed)?;
        let mut storm = Storm::begin("delay", seed, settings, cluster)?;
        while storm.rages() {
            let most = if storm.chance.one_in(4) { LONG_DELAY_MS_MAX } else { DELAY_MS_MAX };
            let delay = storm.chance.below(most);
            proxy.weather.delay_ms_max.store(delay, Ordering::Relaxed);
            storm.count("delay");
            storm.pause(PAUSE_MS);
            if storm.chance.one_in(2) {
                proxy.cut();
                storm.count("all connections cut");
            }
        }
        proxy.calm();
        connections += proxy.weather.connections.load(Ordering::Relaxed);
        storm.end()
    })?;
    passed(format!("{judged}; {connections} connections"))
}

/// One bit in every so manieth piece, of either direction, of replicas and clients.
pub fn corrupted_bytes_are_noticed_and_no_wrong_value_is_ever_read(
    settings: &Settings,
) -> Result<Outcome, Failed> {
    let mut garbled = 0;
    let judged = rounds(settings, |seed| {
        let (cluster, proxy) = behind_proxy(seed)?;
        let mut storm = Storm::begin("corruption", seed, settings, cluster)?;
        proxy.weather.flip_one_in.store(FLIP_ONE_IN, Ordering::Relaxed);
        while storm.rages() {
            storm.pause(PAUSE_MS);
        }
        // On a slow machine few bytes go over the wire, and few bits are flipped.
        storm
            .cluster
            .await_that("a replica notices a flipped bit", || storm.counted("connections_garbled") > 0);
        proxy.calm();
        for _ in 0..proxy.weather.flipped.load(Ordering::Relaxed) {
            storm.count("bit flipped");
        }
        // A replica that still takes half a frame for a whole one would answer nobody on that connection.
        proxy.cut();
        storm.cluster.await_whole();
        garbled += storm.counted("connections_garbled");
        storm.end()
    })?;
    passed(format!("{judged}; {garbled} connections closed by replicas as garbled"))
}
