//! The replicas of a demo, each by its name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quorate_server::config::Config;
use quorate_server::{Replica, StartError, StartOptions};

use crate::demo::places::{Addrs, free_addrs};

/// A cluster inside this process.
pub struct Cluster {
    config: Config,
    file: PathBuf,
    nodes: BTreeMap<String, Node>,
}

enum Node {
    Running { replica: Box<Replica>, took: Duration },
    Paused { replica: Box<Replica> },
    Killed,
}

impl Cluster {
    /// `count` nodes n1… with their data below `dir`, which also gets the `cluster.toml` that describes them.
    pub fn start(dir: &Path, count: u8) -> Result<Cluster, String> {
        let file = dir.join("cluster.toml");
        let text = config_text(&file, count)?;
        std::fs::write(&file, text).map_err(|error| format!("can't write {}: {error}", file.display()))?;
        let config = Config::load(&file).map_err(|error| error.to_string())?;
        let mut cluster = Cluster { config, file, nodes: BTreeMap::new() };
        cluster.start_all()?;
        Ok(cluster)
    }

    /// All at one time: each has a disk to read.
    fn start_all(&mut self) -> Result<(), String> {
        let config = &self.config;
        let started: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> =
                config.nodes.iter().map(|node| scope.spawn(|| start(config, &node.id))).collect();
            let join = |start: std::thread::ScopedJoinHandle<'_, _>| {
                start.join().unwrap_or_else(|_| Err("a node's start panicked".into()))
            };
            starting.into_iter().map(join).collect()
        });
        for (node, started) in config.nodes.iter().zip(started) {
            self.nodes.insert(node.id.clone(), started?);
        }
        Ok(())
    }

    /// Kills a node as SIGKILL does. Says what happened, or why nothing did.
    pub fn kill(&mut self, name: &str) -> Result<(), String> {
        let node = self.node(name)?;
        match std::mem::replace(node, Node::Killed) {
            Node::Running { replica, .. } | Node::Paused { replica } => {
                replica.kill();
                Ok(())
            }
            Node::Killed => Err(format!("{name} is dead already; `fault restart {name}` brings it back")),
        }
    }

    /// Starts a killed node from its disk; how long that took.
    pub fn restart(&mut self, name: &str) -> Result<Duration, String> {
        if !matches!(self.node(name)?, Node::Killed) {
            return Err(format!("{name} is running; `fault kill {name}` first"));
        }
        let node = start(&self.config, name)?;
        let took = if let Node::Running { took, .. } = &node { *took } else { Duration::ZERO };
        self.nodes.insert(name.to_owned(), node);
        Ok(took)
    }

    /// Makes a node stand still, its sockets open.
    pub fn pause(&mut self, name: &str) -> Result<(), String> {
        let node = self.node(name)?;
        match std::mem::replace(node, Node::Killed) {
            Node::Running { replica, .. } => {
                replica.pause();
                *node = Node::Paused { replica };
                Ok(())
            }
            other => {
                *node = other;
                Err(format!("{name} is not running"))
            }
        }
    }

    /// Lets a paused node go on.
    pub fn resume(&mut self, name: &str) -> Result<(), String> {
        let node = self.node(name)?;
        match std::mem::replace(node, Node::Killed) {
            Node::Paused { replica } => {
                replica.resume();
                *node = Node::Running { replica, took: Duration::ZERO };
                Ok(())
            }
            other => {
                *node = other;
                Err(format!("{name} is not paused"))
            }
        }
    }

    fn node(&mut self, name: &str) -> Result<&mut Node, String> {
        let known: Vec<String> = self.nodes.keys().cloned().collect();
        self.nodes
            .get_mut(name)
            .ok_or_else(|| format!("no node {name:?}; the nodes are {}", known.join(", ")))
    }

    /// Ends all nodes in good order.
    pub fn end(self) {
        std::thread::scope(|scope| {
            for node in self.nodes.into_values() {
                if let Node::Running { replica, .. } | Node::Paused { replica } = node {
                    scope.spawn(|| replica.shut_down());
                }
            }
        });
    }

    /// The names of all nodes.
    pub fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// The addresses of all nodes.
    pub fn addrs(&self) -> Vec<String> {
        self.config.nodes.iter().map(|node| node.addr.clone()).collect()
    }

    /// Where the first node listens for Redis clients.
    pub fn resp_addr(&self) -> Option<&str> {
        let listeners = &self.config.nodes.first()?.resp_addr.0;
        listeners.first().map(|listener| listener.addr.as_str())
    }

    /// Where the first node listens for HTTP clients.
    pub fn http_addr(&self) -> Option<&str> {
        self.config.nodes.first().map(|node| node.http_addr.as_str()).filter(|addr| !addr.is_empty())
    }

    /// The nodes that run, and how long each took to start.
    pub fn started(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.nodes.iter().filter_map(|(name, node)| match node {
            Node::Running { took, .. } => Some((name.as_str(), *took)),
            _ => None,
        })
    }

    /// Replicas of each key.
    pub fn n(&self) -> usize {
        self.config.keyspaces.first().map_or(1, |keyspace| keyspace.n)
    }

    /// The configuration of this cluster.
    pub fn config_file(&self) -> &Path {
        &self.file
    }
}

fn start(config: &Config, name: &str) -> Result<Node, String> {
    let started = Instant::now();
    let replica =
        Replica::start(config, name, &StartOptions::default()).map_err(|error| causes(name, &error))?;
    Ok(Node::Running { replica: Box::new(replica), took: started.elapsed() })
}

fn causes(name: &str, error: &StartError) -> String {
    let mut text = format!("{name} does not start: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The configuration of `count` nodes on addresses that are free now; refused if `file` describes another cluster.
fn config_text(file: &Path, count: u8) -> Result<String, String> {
    if file.exists() {
        let earlier = Config::load(file).map_err(|error| error.to_string())?;
        let (name, nodes) = (&earlier.cluster.name, earlier.nodes.len());
        if name != "demo" || nodes != usize::from(count) {
            return Err(format!(
                "{} is of cluster {name:?} with {nodes} nodes; take another --dir, or --nodes {nodes} if it was a demo",
                file.display()
            ));
        }
    }
    let addrs = free_addrs(count).map_err(|error| format!("no free addresses: {error}"))?;
    let nodes: Vec<String> = addrs
        .iter()
        .enumerate()
        .map(|(at, Addrs { addr, resp, http })| {
            let k = at + 1;
            format!(
                "\n[[node]]\nid = \"n{k}\"\naddr = \"{addr}\"\nresp_addr = \"{resp}\"\nhttp_addr = \"{http}\"\ndata_dir = \"n{k}\"\n"
            )
        })
        .collect();
    let n = count.min(3);
    Ok(format!(
        "# Written by `kvctl demo` at every start.\n\
         [cluster]\nname = \"demo\"\n{}\n[[keyspace]]\nname = \"default\"\nn = {n}\n\n\
         # Small files: a demo should not fill a disk.\n[wal]\nsegment_bytes = \"4MiB\"\nwal_bytes_max = \"64MiB\"\n\n\
         [server]\ndrain_timeout = \"2s\"\n",
        nodes.concat()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_valid_for_every_number_of_nodes_and_another_cluster_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("cluster.toml");
        for count in 1..=9 {
            let text = config_text(&file, count).unwrap();
            let config = Config::parse(&text, dir.path()).unwrap();
            assert_eq!(
                (config.nodes.len(), config.keyspaces[0].n),
                (usize::from(count), usize::from(count.min(3)))
            );
        }
        std::fs::write(&file, config_text(&file, 4).unwrap()).unwrap();
        assert!(config_text(&file, 4).is_ok());
        let refused = config_text(&file, 3).unwrap_err();
        assert!(
            refused.contains("of cluster \"demo\" with 4 nodes; take another --dir, or --nodes 4"),
            "{refused}"
        );
    }
}
