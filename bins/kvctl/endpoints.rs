//! Where the cluster is: `--endpoints`, else `KV_ENDPOINTS`, else `--config FILE`, else `./cluster.toml`, else the
//! first node of a cluster on this machine.

use std::path::{Path, PathBuf};

use quorate_server::config::{Config, ConfigError};
use quorate_types::ClusterId;

use crate::cli::Global;

const DEFAULT_ENDPOINT: &str = "127.0.0.1:7381";
const DEFAULT_CONFIG: &str = "cluster.toml";

/// Nodes to begin with, and how they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// host:port each.
    pub addrs: Vec<String>,
    /// The cluster that must answer, where the configuration names it.
    pub cluster: Option<(ClusterId, String)>,
    /// For error texts: `--endpoints`, `cluster.toml`.
    pub source: String,
}

/// The endpoints that `global` and the folder `here` say.
pub fn find(global: &Global, here: &Path) -> Result<Endpoints, ConfigError> {
    // KV_ENDPOINTS="" is as good as none.
    let named = || global.endpoints.iter().map(|addr| addr.trim()).filter(|addr| !addr.is_empty());
    if named().next().is_some() {
        let addrs = named().map(with_port).collect();
        return Ok(Endpoints { addrs, cluster: None, source: "--endpoints or KV_ENDPOINTS".to_owned() });
    }
    let file = config_file(global, here);
    let Some(file) = file else {
        let source = "the default, as there is no ./cluster.toml".to_owned();
        return Ok(Endpoints { addrs: vec![DEFAULT_ENDPOINT.to_owned()], cluster: None, source });
    };
    let config = Config::load(&file)?;
    Ok(Endpoints {
        addrs: config.nodes.iter().map(|node| node.addr.clone()).collect(),
        cluster: Some((config.cluster_id(), config.cluster.name.clone())),
        source: file.display().to_string(),
    })
}

/// The configuration that is named or lies `here`.
pub fn config_file(global: &Global, here: &Path) -> Option<PathBuf> {
    let lying_here = here.join(DEFAULT_CONFIG);
    global.config.clone().or_else(|| lying_here.exists().then_some(lying_here))
}

fn with_port(addr: &str) -> String {
    let has_port = addr.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port { addr.to_owned() } else { format!("{addr}:7381") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::Format;

    fn global(endpoints: &[&str], config: Option<&Path>) -> Global {
        Global {
            endpoints: endpoints.iter().map(|text| (*text).to_owned()).collect(),
            config: config.map(Path::to_owned),
            output: Format::Table,
            timeout: Duration::from_secs(2),
        }
    }

    #[test]
    fn endpoints_win_over_a_configuration_that_over_the_one_lying_here_and_that_over_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let none = find(&global(&[], None), dir.path()).unwrap();
        assert_eq!((none.addrs, none.cluster), (vec!["127.0.0.1:7381".to_owned()], None));

        let text = |name: &str, addr: &str| {
            format!(
                "[cluster]\nname = \"{name}\"\n[[node]]\nid = \"n1\"\naddr = \"{addr}\"\n[[keyspace]]\nn = 1\n"
            )
        };
        std::fs::write(dir.path().join("cluster.toml"), text("here", "127.0.0.1:1")).unwrap();
        let other = dir.path().join("other.toml");
        std::fs::write(&other, text("other", "127.0.0.1:2")).unwrap();

        let here = find(&global(&[""], None), dir.path()).unwrap();
        assert_eq!(here.addrs, ["127.0.0.1:1"]);
        assert_eq!(here.cluster, Some((ClusterId::of_name("here"), "here".to_owned())));
        assert_eq!(find(&global(&[], Some(&other)), dir.path()).unwrap().addrs, ["127.0.0.1:2"]);
        let named = find(&global(&["h", "h:9"], Some(&other)), dir.path()).unwrap();
        assert_eq!((named.addrs, named.cluster), (vec!["h:7381".to_owned(), "h:9".to_owned()], None));
    }

    #[test]
    fn a_configuration_that_is_named_and_missing_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("nope.toml");
        assert!(matches!(
            find(&global(&[], Some(&missing)), dir.path()),
            Err(ConfigError::Unreadable { .. })
        ));
    }
}
