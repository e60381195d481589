//! What cluster clients ask for.

use quorate_types::NodeId;

use super::node::Lab;

const IDS: [&str; 3] = [
    "000000000000000c000000000000000000000001",
    "000000000000000c000000000000000000000002",
    "000000000000000c000000000000000000000003",
];

fn slots_entry(from: u16, to: u16, node: usize) -> String {
    let id = IDS[node - 1];
    format!("*3\r\n:{from}\r\n:{to}\r\n*4\r\n$8\r\n10.0.0.{node}\r\n:7379\r\n$40\r\n{id}\r\n*0\r\n")
}

#[test]
fn slots_are_told_with_the_doors_of_the_nodes_that_are_up() {
    let mut lab = Lab::of_cluster();
    let entries = [slots_entry(0, 5_460, 1), slots_entry(5_461, 10_921, 2), slots_entry(10_922, 16_383, 3)];
    assert_eq!(lab.says("CLUSTER SLOTS"), format!("*3\r\n{}", entries.concat()));
    lab.down = vec![NodeId(2)];
    let entries = [slots_entry(0, 5_460, 1), slots_entry(5_461, 16_383, 3)];
    assert_eq!(lab.says("CLUSTER SLOTS"), format!("*2\r\n{}", entries.concat()));
    assert_eq!(lab.asked, 0, "the node has nothing to do with it");
}

#[test]
fn nodes_shards_and_the_summary_say_who_is_down() {
    let mut lab = Lab::of_cluster();
    lab.down = vec![NodeId(3)];
    let nodes = lab.says("CLUSTER NODES");
    let lines: Vec<&str> = nodes.lines().skip(1).collect();
    assert_eq!(
        lines[0],
        format!("{} 10.0.0.1:7379@0 myself,master - 0 0 0 connected 0-5460 10922-16383", IDS[0])
    );
    assert_eq!(lines[1], format!("{} 10.0.0.2:7379@0 master - 0 0 0 connected 5461-10921", IDS[1]));
    assert_eq!(lines[2], format!("{} 10.0.0.3:7379@0 master,fail - 0 0 0 disconnected", IDS[2]));
    lab.says("HELLO 3");
    let shards = lab.says("CLUSTER SHARDS");
    assert!(
        shards.starts_with("*3\r\n%2\r\n$5\r\nslots\r\n*4\r\n:0\r\n:5460\r\n:10922\r\n:16383\r\n"),
        "{shards}"
    );
    assert!(shards.ends_with("$4\r\nrole\r\n$6\r\nmaster\r\n$6\r\nhealth\r\n$4\r\nfail\r\n"), "{shards}");
    let info = lab.says("CLUSTER INFO");
    for field in
        ["cluster_state:ok", "cluster_slots_assigned:16384", "cluster_known_nodes:3", "cluster_size:2"]
    {
        assert!(info.contains(&format!("{field}\r\n")), "{field} in {info}");
    }
}

#[test]
fn a_door_with_cluster_clients_says_so_and_takes_plain_ones_as_before() {
    let mut lab = Lab::of_cluster();
    assert!(lab.says("HELLO 2").contains("$4\r\nmode\r\n$7\r\ncluster\r\n"));
    let info = lab.says("INFO");
    assert!(info.contains("redis_mode:cluster") && info.contains("cluster_enabled:1"), "{info}");
    assert_eq!(lab.says("CLUSTER MYID"), format!("$40\r\n{}\r\n", IDS[0]));
    assert_eq!(lab.says("CLUSTER KEYSLOT foo"), ":12182\r\n");
    assert_eq!(lab.says("MSET a 1 b 2"), "+OK\r\n", "keys of two slots");
    assert!(
        lab.says("CLUSTER COUNTKEYSINSLOT 1")
            .starts_with("-ERR CLUSTER COUNTKEYSINSLOT is not offered: slots only")
    );
    assert_eq!(lab.says("CLUSTER FOO"), "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n");
}

#[test]
fn without_it_every_question_about_the_cluster_is_answered_as_by_a_redis_without() {
    let mut lab = Lab::new();
    let disabled = "-ERR This instance has cluster support disabled\r\n";
    for said in [
        "CLUSTER SLOTS",
        "CLUSTER KEYSLOT a",
        "CLUSTER MYID",
        "CLUSTER HELP",
        "CLUSTER COUNTKEYSINSLOT 1",
        "CLUSTER MEET a 1",
    ] {
        assert_eq!(lab.says(said), disabled, "{said}");
    }
    assert_eq!(lab.says("CLUSTER FOO"), "-ERR unknown subcommand 'FOO'. Try CLUSTER HELP.\r\n");
    assert_eq!(
        lab.says("CLUSTER KEYSLOT"),
        "-ERR wrong number of arguments for 'cluster|keyslot' command\r\n"
    );
}
