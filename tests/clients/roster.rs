//! The clients that are tried, and what each is asked.

/// What a client is written in, hence how it is installed and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    Go,
    Java,
    Node,
    Python,
    Rust,
    /// Programs of the system, driven by a shell script.
    Shell,
}

/// One client in one version.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub name: &'static str,
    pub language: Language,
    /// The program under `tests/clients/<language>` that drives it, without its ending.
    pub program: &'static str,
    /// What its program needs: a requirement for pip, a program of the system. Others have it in their manifest.
    pub requires: &'static str,
    /// Whether it is tried without being asked for: it is installed, or quickly is.
    pub cheap: bool,
    pub cases: &'static [&'static str],
    /// Whether its program has the cases of a cluster client, too.
    pub spreads: bool,
}

/// What every client is asked.
const CASES: &[&str] = &[
    "connect",
    "set",
    "get",
    "mget",
    "expire",
    "scan",
    "pipeline",
    "password",
    "wrong_password",
    "quit",
    "refused_lock",
    "refused_counter",
    "refused_transaction",
];

const fn client(
    name: &'static str,
    language: Language,
    program: &'static str,
    requires: &'static str,
) -> Client {
    Client { name, language, program, requires, cheap: false, cases: CASES, spreads: false }
}

const fn cheap(client: Client) -> Client {
    Client { cheap: true, ..client }
}

const fn spreading(client: Client) -> Client {
    Client { spreads: true, ..client }
}

/// All of them. Versions are exact, so that a fixture of its handshake stays that of its client.
pub const CLIENTS: &[Client] = &[
    cheap(client("redis-cli", Language::Shell, "redis_cli", "redis-cli")),
    Client {
        cases: &["unpipelined", "pipelined", "resp3"],
        ..cheap(client("redis-benchmark", Language::Shell, "redis_benchmark", "redis-benchmark"))
    },
    client("redis-py-5", Language::Python, "redis_py", "redis==5.3.1"),
    client("redis-py-6", Language::Python, "redis_py", "redis==6.4.0"),
    client("redis-py-7", Language::Python, "redis_py", "redis==7.4.1"),
    cheap(spreading(client("redis-py-8", Language::Python, "redis_py", "redis==8.1.0"))),
    client("coredis", Language::Python, "coredis_suite", "coredis==6.9.0"),
    client("valkey-glide", Language::Python, "valkey_glide", "valkey-glide==2.6.0"),
    spreading(client("ioredis", Language::Node, "ioredis", "")),
    client("node-redis", Language::Node, "node_redis", ""),
    client("iovalkey", Language::Node, "iovalkey", ""),
    client("go-redis", Language::Go, "go_redis", ""),
    client("rueidis", Language::Go, "rueidis", ""),
    client("jedis", Language::Java, "JedisSuite", ""),
    client("lettuce", Language::Java, "LettuceSuite", ""),
    client("redis-rs", Language::Rust, "redis-rs", ""),
    client("fred", Language::Rust, "fred", ""),
    client("rustis", Language::Rust, "rustis", ""),
];
