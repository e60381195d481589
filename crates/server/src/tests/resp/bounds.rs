//! What one Redis client, or all of them, can make a node keep, and for how long.

use std::net::Shutdown;

use quorate_wire::{RequestBody, ResponseBody};

use super::{Client, ONE};
use crate::tests::cluster::{Cluster, poll};
use crate::tests::http::send;

fn set(client: &mut Client, key: &str, bytes: usize) -> String {
    let value = "v".repeat(bytes);
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\n{key}\r\n${bytes}\r\n{value}\r\n").as_bytes());
    client.expect("+OK\r\n");
    format!("${bytes}\r\n{value}\r\n")
}

/// The value of a metric without labels.
fn metric(cluster: &Cluster, name: &str) -> f64 {
    let (status, text) = send(cluster.http_addr("n1"), "GET /metrics", "");
    assert_eq!(status, 200, "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap();
    line.parse().unwrap()
}

#[test]
fn a_client_that_asks_for_large_values_and_does_not_read_makes_the_node_read_few_of_them() {
    let cluster = Cluster::start(1, ONE);
    let mut client = Client::new(cluster.resp_addr("n1"));
    let reply = set(&mut client, "k", 200_000);
    let mut observer = cluster.client("n1");
    let before = observer.counter("requests");
    client.send("GET k\r\n".repeat(300).as_bytes());
    let mut begun = 0;
    poll("some were begun", || {
        begun = observer.counter("requests") - before;
        begun > 5
    });
    // What the sockets take, and then a few that wait.
    assert!(begun < 150, "{begun} reads were begun");
    client.expect(&reply.repeat(300));
}

#[test]
fn half_sent_commands_have_so_much_room_in_all_and_give_it_back() {
    let extra = format!("{ONE}[resp]\ncommand_bytes_max = \"1MiB\"\ncommands_bytes_max = \"1MiB\"\n");
    let cluster = Cluster::start(1, &extra);
    let addr = cluster.resp_addr("n1");
    let half = || {
        let mut client = Client::new(addr);
        let part = "v".repeat(700_000);
        client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$700001\r\n{part}").as_bytes());
        client
    };
    let held = || metric(&cluster, "quorate_resp_half_commands_bytes");
    let mut first = half();
    poll("the first is there", || held() >= 700_000.0);
    let refused = half().rest();
    assert_eq!(
        refused,
        "-TRYAGAIN commands that are not whole have the 1048576 bytes that they may have (resp.commands_bytes_max): nothing of it was executed, and the connection is closed\r\n"
    );
    first.send(b"v\r\n");
    first.expect("+OK\r\n");
    poll("nothing is half sent", || held() == 0.0);
    drop(half());
    poll("who leaves gives it back", || held() == 0.0);
    let mut observer = cluster.client("n1");
    assert_eq!(observer.counter("resp_commands_bytes_max_hit"), 1);
}

#[test]
fn a_command_that_is_begun_and_does_not_go_on_ends_the_connection_with_a_sentence() {
    let cluster = Cluster::start(1, &format!("{ONE}[resp]\ncommand_timeout = \"50ms\"\n"));
    let addr = cluster.resp_addr("n1");
    let mut idle = Client::new(addr);
    idle.says("PING", "+PONG\r\n");
    let mut client = Client::new(addr);
    client.send(b"PING\r\n*2\r\n$3\r\nGET\r\n$10\r\nk");
    assert_eq!(
        client.rest(),
        "+PONG\r\n-ERR a command must be whole 50 ms after its first byte (resp.command_timeout): nothing of it was executed, and the connection is closed\r\n"
    );
    idle.says("PING", "+PONG\r\n");
    assert_eq!(cluster.client("n1").counter("resp_command_timeout_hit"), 1);
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_also_if_it_has_said_all() {
    let cluster = Cluster::start(1, &format!("{ONE}[resp]\nwrite_timeout = \"100ms\"\n"));
    let addr = cluster.resp_addr("n1");
    set(&mut Client::new(addr), "k", 1 << 20);
    let mut observer = cluster.client("n1");
    let (mut silent, mut finished) = (Client::new(addr), Client::new(addr));
    silent.send("GET k\r\n".repeat(100).as_bytes());
    finished.send("GET k\r\n".repeat(100).as_bytes());
    finished.0.shutdown(Shutdown::Write).unwrap();
    poll("both are cut off", || observer.counter("resp_write_timeout_hit") == 2);
    let mut other = Client::new(addr);
    poll("both are gone", || {
        other.send(b"CLIENT LIST\r\nQUIT\r\n");
        let alone = other.rest().matches("id=").count() == 1;
        other = Client::new(addr);
        alone
    });
}

#[test]
fn a_reply_beyond_the_limit_is_refused_before_its_first_byte_and_one_below_it_is_sent_at_any_speed() {
    let cluster = Cluster::start(1, &format!("{ONE}[resp]\noutput_bytes_max = \"8MiB\"\n"));
    let mut client = Client::new(cluster.resp_addr("n1"));
    let reply = set(&mut client, "k", 1 << 20);
    client.says(&format!("MGET{}", " k".repeat(8)), &format!("*8\r\n{}", reply.repeat(8)));
    client.says(
        &format!("MGET{}", " k".repeat(9)),
        "-ERR the reply would have more than 8388608 bytes (resp.output_bytes_max): nothing of it is sent. Ask for fewer keys\r\n",
    );
    client.says("PING", "+PONG\r\n");
    assert_eq!(cluster.client("n1").counter("resp_output_bytes_max_hit"), 1);
}

#[test]
fn a_client_that_comes_while_the_node_drains_is_told_why_it_is_not_taken() {
    let cluster = Cluster::start(1, ONE);
    let mut client = Client::new(cluster.resp_addr("n1"));
    client.says("PING", "+PONG\r\n");
    assert_eq!(send(cluster.admin_addr("n1"), "POST /api/v1/admin/drain?confirm=n1", "").0, 202);
    assert_eq!(
        Client::new(cluster.resp_addr("n1")).rest(),
        "-TRYAGAIN the node is draining and takes no new clients: connect to another node\r\n"
    );
    client.says("PING", "+PONG\r\n");
    assert!((metric(&cluster, "quorate_resp_refused_draining_total") - 1.0).abs() < f64::EPSILON);
}

#[test]
fn a_crowd_that_asks_how_the_node_is_is_answered_together() {
    let cluster = Cluster::start(1, &format!("{ONE}[server]\nshards = 2\n"));
    let mut own = cluster.client("n1");
    for _ in 0..300 {
        own.send(RequestBody::Status);
    }
    own.flush();
    for _ in 0..300 {
        let answer = own.recv().body;
        assert!(matches!(answer, ResponseBody::Status(_)), "{answer:?}");
    }
    let addr = cluster.resp_addr("n1");
    Client::new(addr).says("MSET a 1 b 2 c 3", "+OK\r\n");
    let mut clients: Vec<Client> = (0..150).map(|_| Client::new(addr)).collect();
    for client in &mut clients {
        client.send("DBSIZE\r\n".repeat(10).as_bytes());
    }
    for client in &mut clients {
        client.expect(&":3\r\n".repeat(10));
    }
    assert_eq!(own.counter("status_requests_max_hit"), 0);
}
