//! Redis clients over real sockets.

mod bounds;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::cluster::{Cluster, poll};

/// Nothing here takes longer unless it is broken.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client that knows how long the replies are.
struct Client(TcpStream);

impl Client {
    fn new(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Client(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn expect(&mut self, reply: &str) {
        let mut found = vec![0; reply.len()];
        let mut at = 0;
        while at < found.len() {
            match self.0.read(&mut found[at..]) {
                Ok(0) | Err(_) => break,
                Ok(read) => at += read,
            }
        }
        assert_eq!(String::from_utf8_lossy(&found[..at]), reply);
    }

    fn says(&mut self, line: &str, reply: &str) {
        self.send(format!("{line}\r\n").as_bytes());
        self.expect(reply);
    }

    /// What comes until the other side closes.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

const ONE: &str = "[[keyspace]]\nn = 1\n";

#[test]
fn what_is_written_through_one_node_is_read_through_another_with_any_number_of_shards() {
    for shards in [1, 2] {
        let cluster = Cluster::start(3, &format!("[server]\nshards = {shards}\n"));
        cluster.wait_for_links();
        let mut n1 = Client::new(cluster.resp_addr("n1"));
        let mut n2 = Client::new(cluster.resp_addr("n2"));
        for k in 0..20 {
            n1.says(&format!("SET key:{k} {k}"), "+OK\r\n");
            n2.says(&format!("STRLEN key:{k}"), if k < 10 { ":1\r\n" } else { ":2\r\n" });
        }
        n2.says("EXPIRE key:1 100", ":1\r\n");
        n1.says("TTL key:1", ":100\r\n");
        n1.says("MGET key:1 key:2 nobody", "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
        n2.says("DEL key:1 key:2 nobody", ":2\r\n");
        n1.says("EXISTS key:1 key:2 key:3", ":1\r\n");
    }
}

#[test]
fn a_pipeline_over_both_shards_is_replied_to_in_order_and_sees_its_own_writes() {
    let cluster = Cluster::start(1, &format!("{ONE}[server]\nshards = 2\n"));
    let mut client = Client::new(cluster.resp_addr("n1"));
    let (mut sent, mut expected) = (String::new(), String::new());
    for k in 0..2_000 {
        let key = k % 37;
        write!(sent, "SET k{key} {k}\r\nGET k{key}\r\nPING\r\n").unwrap();
        write!(expected, "+OK\r\n${}\r\n{k}\r\n+PONG\r\n", k.to_string().len()).unwrap();
    }
    let mut writer = client.0.try_clone().unwrap();
    let sending = std::thread::spawn(move || writer.write_all(sent.as_bytes()));
    client.expect(&expected);
    sending.join().unwrap().unwrap();
}

#[test]
fn quit_closes_and_what_is_no_command_is_told_so_before_it_does() {
    let cluster = Cluster::start(1, ONE);
    let addr = cluster.resp_addr("n1");
    let mut client = Client::new(addr);
    client.send(b"SET k v\r\nQUIT\r\n");
    assert_eq!(client.rest(), "+OK\r\n+OK\r\n");
    let mut garbled = Client::new(addr);
    garbled.send(b"*1\r\n:1\r\n");
    assert_eq!(garbled.rest(), "-ERR Protocol error: expected '$', got ':'\r\n");
    poll("both are gone", || {
        let mut client = Client::new(addr);
        client.send(b"CLIENT LIST\r\nQUIT\r\n");
        client.rest().matches("id=").count() == 1
    });
}

#[test]
fn a_value_of_a_megabyte_comes_and_goes_in_pieces_and_a_larger_one_is_refused_by_name() {
    let cluster = Cluster::start(1, ONE);
    let mut client = Client::new(cluster.resp_addr("n1"));
    let value = "v".repeat(1 << 20);
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len()).as_bytes());
    client.expect("+OK\r\n");
    client.says("GET k", &format!("${}\r\n{value}\r\n", value.len()));
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}v\r\n", value.len() + 1).as_bytes());
    client.expect("-ERR value is too large (limit 1048576)");
}

#[test]
fn a_client_that_reads_slowly_gets_all_its_replies() {
    let cluster = Cluster::start(1, ONE);
    let mut client = Client::new(cluster.resp_addr("n1"));
    let value = "v".repeat(100_000);
    client.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{value}\r\n").as_bytes());
    client.expect("+OK\r\n");
    // Far more than the sockets and the door hold: the rest waits until this side reads.
    client.send("GET k\r\n".repeat(400).as_bytes());
    client.expect(&format!("$100000\r\n{value}\r\n").repeat(400));
    client.says("PING", "+PONG\r\n");
}

#[test]
fn a_client_that_shuts_its_sending_side_gets_all_its_replies_and_then_the_end() {
    let cluster = Cluster::start(1, &format!("{ONE}[server]\nshards = 2\n[resp]\nconnections_max = 2\n"));
    let addr = cluster.resp_addr("n1");
    let (mut sent, mut expected) = (String::new(), String::new());
    // Two places: whoever asked whether one is free may leave its own a moment after it has heard so. Two that stayed
    // taken would be all there are.
    // More than may be under way at one time, and all behind each other's keys.
    for k in 0..3_000 {
        let key = k % 3;
        write!(sent, "SET k{key} {k}\r\nGET k{key}\r\n").unwrap();
        write!(expected, "+OK\r\n${}\r\n{k}\r\n", k.to_string().len()).unwrap();
    }
    for (sent, expected) in
        [(&*sent, &*expected), ("SET a 1\r\nGET", "+OK\r\n"), ("PING\r\n", "+PONG\r\n"), ("", "")]
    {
        let mut client = Client::new(addr);
        client.send(sent.as_bytes());
        client.0.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), expected);
        poll("its place is free", || {
            let mut next = Client::new(addr);
            let _ = next.0.write_all(b"PING\r\nQUIT\r\n");
            next.rest() == "+PONG\r\n+OK\r\n"
        });
    }
}

#[test]
fn one_client_more_than_the_limit_is_told_so_and_its_place_is_free_again_when_another_leaves() {
    let cluster = Cluster::start(1, &format!("{ONE}[resp]\nconnections_max = 1\n"));
    let addr = cluster.resp_addr("n1");
    let mut first = Client::new(addr);
    first.says("PING", "+PONG\r\n");
    assert_eq!(Client::new(addr).rest(), "-ERR max number of clients reached\r\n");
    drop(first);
    poll("the place is free", || {
        let mut next = Client::new(addr);
        let _ = next.0.write_all(b"PING\r\nQUIT\r\n");
        next.rest() == "+PONG\r\n+OK\r\n"
    });
}

#[test]
fn a_password_is_asked_for_if_there_is_one_and_a_client_can_end_another() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "secret\n").unwrap();
    let cluster = Cluster::start(1, &format!("{ONE}[resp]\npassword_file = \"{}\"\n", file.display()));
    let addr = cluster.resp_addr("n1");
    let mut client = Client::new(addr);
    client.says("GET k", "-NOAUTH Authentication required.\r\n");
    client.says("AUTH secret", "+OK\r\n");
    client.says("GET k", "$-1\r\n");
    let mut other = Client::new(addr);
    other.says("AUTH secret", "+OK\r\n");
    let mut own = String::new();
    other.send(b"CLIENT ID\r\n");
    while !own.ends_with('\n') {
        let mut byte = [0];
        other.0.read_exact(&mut byte).unwrap();
        own.push(char::from(byte[0]));
    }
    client.says(&format!("CLIENT KILL ID {}", own.trim_start_matches(':').trim()), ":1\r\n");
    assert_eq!(other.rest(), "");
}

#[test]
fn a_graceful_end_replies_to_what_is_under_way() {
    let mut cluster = Cluster::start(1, ONE);
    let mut client = Client::new(cluster.resp_addr("n1"));
    client.says("SET k v", "+OK\r\n");
    assert!(cluster.shut_down("n1").drained);
    assert_eq!(client.rest(), "");
    cluster.restart("n1");
    Client::new(cluster.resp_addr("n1")).says("GET k", "$1\r\nv\r\n");
}

#[test]
fn a_browser_at_the_redis_door_is_cut_off_and_counted_and_nothing_of_its_page_is_done() {
    let cluster = Cluster::start(1, ONE);
    let mut page = Client::new(cluster.resp_addr("n1"));
    page.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nSET hacked 1\r\n");
    assert_eq!(page.rest(), "", "no reply, and the end");
    Client::new(cluster.resp_addr("n1")).says("GET hacked", "$-1\r\n");
    assert_eq!(cluster.client("n1").counter("resp_cross_protocol"), 1);
}
