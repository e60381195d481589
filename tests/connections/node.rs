//! A replica in a process of its own, seen from outside.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::DEADLINE;
use crate::clients::Door;
use crate::one_node::OneNode;

/// See the module; killed when dropped.
pub struct Node(OneNode);

impl Node {
    /// Starts a node on an address of its own; `extra` is appended to its configuration.
    pub fn start(host: u8, extra: &str) -> Node {
        Node(OneNode::start((248, host), |host| {
            format!(
                "[cluster]\nname = \"connections\"\n[[node]]\nid = \"n1\"\naddr = \"{host}:7381\"\n\
                 resp_addr = \"{host}:7379\"\nhttp_addr = \"{host}:7380\"\n\
                 [[keyspace]]\nn = 1\nread = \"ONE\"\nwrite = \"ONE\"\n[wal]\nsegment_bytes = \"4MiB\"\n{extra}"
            )
        }))
    }

    /// Where `door` is.
    pub fn addr(&self, door: Door) -> SocketAddr {
        let port = match door {
            Door::Resp => 7379,
            Door::Http => 7380,
        };
        format!("{}:{port}", self.0.host).parse().expect("an address")
    }

    fn connect(&self, door: Door) -> TcpStream {
        let stream = TcpStream::connect(self.addr(door)).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout is set");
        stream
    }

    /// Its open descriptors, sockets among them.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.0.child.id())).expect("it runs").count()
    }

    /// Its resident memory.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Until it holds no more descriptors than `before`.
    pub fn wait_for_descriptors(&self, before: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.descriptors() > before {
            assert!(Instant::now() < deadline, "{} descriptors, there were {before}", self.descriptors());
            std::thread::yield_now();
        }
    }

    /// Until no more than `most` is resident; how long that took.
    pub fn wait_for_resident_kib(&self, most: u64) -> Duration {
        let begun = Instant::now();
        while self.resident_kib() > most {
            let resident = self.resident_kib();
            assert!(
                begun.elapsed() < DEADLINE,
                "{resident} KiB resident, at most {most} were expected by now"
            );
            std::thread::yield_now();
        }
        begun.elapsed()
    }

    /// What one of its doors says to a client that comes and asks nothing.
    pub fn first_words(&self, door: Door) -> String {
        let mut words = String::new();
        self.connect(door).read_to_string(&mut words).expect("it speaks and closes");
        words
    }

    /// A write at one door is read at the other.
    pub fn must_serve(&self) {
        let mut resp = self.connect(Door::Resp);
        resp.write_all(b"SET probe served\r\n").expect("it takes a command");
        let mut reply = [0; 5];
        resp.read_exact(&mut reply).expect("it replies");
        assert_eq!(&reply, b"+OK\r\n");
        let mut http = self.connect(Door::Http);
        let ask = b"GET /api/v1/store/probe HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
        http.write_all(ask).expect("it takes a request");
        let mut answer = String::new();
        http.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\"served\"}"), "{answer}");
    }

    /// How long a write takes at the RESP door, one after the other.
    pub fn latencies(&self) -> String {
        let mut resp = self.connect(Door::Resp);
        let mut taken = Histogram::<u64>::new_with_max(DEADLINE.as_micros() as u64, 3).expect("three digits");
        let mut reply = [0; 5];
        for _ in 0..500 {
            let begun = Instant::now();
            resp.write_all(b"SET probe served\r\n").expect("it takes a command");
            resp.read_exact(&mut reply).expect("it replies");
            taken.saturating_record(begun.elapsed().as_micros() as u64);
        }
        let at = |quantile| Duration::from_micros(taken.value_at_quantile(quantile));
        format!("SET takes {:?} (median), {:?} (99 %)", at(0.5), at(0.99))
    }

    /// One of its counters.
    pub fn counter(&self, name: &str) -> u64 {
        let output = Command::new(env!("CARGO_BIN_EXE_kvctl"))
            .args(["--endpoints", &format!("{}:7381", self.0.host), "-o", "json", "status"])
            .output()
            .expect("kvctl runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let (_, behind) =
            said.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {said}"));
        let digits: String = behind.trim_start().chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// Whether its process runs.
    pub fn is_alive(&self) -> bool {
        std::path::Path::new(&format!("/proc/{}/fd/0", self.0.child.id())).exists()
    }
}
