//! Random sequences of the offered commands, right and wrong.
//!
//! No expiry that is drawn comes while a sequence runs: it is at least 1,000 s away, or in the past.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::connection::Command;

/// Keys; few, so that commands meet.
pub const KEYS: [&[u8]; 6] = [b"a", b"b", b"key:1", b"key:2", b"k\x00\xff\r\n", b"KEY:1"];

/// Numbers, and what looks like one. As an expiry each is far away, in the past, or none.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1000000",
    "2000000000",
    "2000000000000",
    "9223372036854775807",
    "9223372036854775806",
    "-9223372036854775808",
    "9223372036854775808",
    "9223372036854775",
    "abc",
    "1.5",
    "+1000000",
    "01000000",
    " 1000000",
];

/// Options of all commands, in several cases.
const OPTIONS: &[&str] = &[
    "EX", "px", "EXAT", "PXAT", "KEEPTTL", "keepttl", "PERSIST", "NX", "xx", "GET", "GT", "LT", "MATCH",
    "COUNT", "TYPE", "BOGUS", "SAMPLES",
];

/// Commands whose arguments are not data, each as it is.
const FIXED: &str = "PING|PING x|PING a b|ECHO x|ECHO|ECHO a b|SELECT 0|SELECT 1|SELECT -1|SELECT x|\
    SELECT 9223372036854775808|HELLO|HELLO 2|HELLO 3|HELLO 3 SETNAME me|HELLO 3 SETNAME a¤b|HELLO 2 SETNAME a¤b AUTH default x|CLIENT SETNAME a¤b|HELLO 3 SETNAME|HELLO 4|HELLO x|HELLO 3 BOGUS|\
    HELLO 2 AUTH default x|HELLO 2 AUTH nobody x|HELLO 3 AUTH default|AUTH x|AUTH default x|AUTH nobody x|AUTH|AUTH a b c|\
    RESET|RESET x|READONLY|READWRITE|READONLY x|TIME|TIME x|DBSIZE|DBSIZE x|\
    CLIENT|CLIENT BOGUS|CLIENT ID|CLIENT ID x|CLIENT GETNAME|CLIENT SETNAME me|CLIENT SETNAME|CLIENT SETNAME <me>|\
    CLIENT INFO|CLIENT INFO x|CLIENT LIST|CLIENT LIST BOGUS|CLIENT LIST TYPE normal|CLIENT LIST TYPE bogus|\
    CLIENT LIST ID 1|CLIENT LIST ID x|CLIENT LIST ID|CLIENT NO-EVICT ON|CLIENT NO-EVICT off|CLIENT NO-EVICT x|\
    CLIENT NO-TOUCH ON|CLIENT NO-TOUCH x|CLIENT SETINFO LIB-NAME x|CLIENT SETINFO LIB-VER 1|CLIENT SETINFO BOGUS x|\
    CLIENT SETINFO LIB-NAME|CLIENT REPLY|CLIENT REPLY x|CLIENT REPLY ON|CLIENT KILL|CLIENT KILL 1.2.3.4:5|\
    CLIENT KILL ID 999999999|CLIENT KILL ID 0|CLIENT KILL ID x|CLIENT KILL ID|CLIENT KILL BOGUS x|\
    CLIENT KILL ADDR 1.2.3.4:5|CLIENT KILL LADDR 1.2.3.4:5 SKIPME no|CLIENT KILL ADDR 1.2.3.4:5 SKIPME x|\
    CLIENT KILL ID 999999999 ID|CLIENT HELP|CLUSTER|CLUSTER SLOTS|CLUSTER SHARDS|CLUSTER INFO|CLUSTER NODES|\
    CLUSTER MYID|CLUSTER KEYSLOT a|CLUSTER KEYSLOT|CLUSTER FOO|CLUSTER COUNTKEYSINSLOT 1|CLUSTER HELP|CLUSTER HELP x|\
    COMMAND COUNT|COMMAND COUNT x|COMMAND BOGUS|COMMAND LIST|COMMAND LIST x|COMMAND LIST FILTERBY PATTERN ge*|\
    COMMAND INFO get|COMMAND INFO nope|COMMAND INFO mset nope del getrange memory¦usage|COMMAND HELP|COMMAND INFO client¦id|COMMAND DOCS nope|COMMAND DOCS get|COMMAND GETKEYS|\
    COMMAND GETKEYS GET k|COMMAND GETKEYS MSET a 1 b 2|COMMAND GETKEYS GET|COMMAND GETKEYS PING|COMMAND GETKEYS nope x|\
    COMMAND GETKEYS MEMORY USAGE k|COMMAND GETKEYS SET k v EX 10|COMMAND GETKEYS DEL a b c|\
    CONFIG|CONFIG BOGUS|CONFIG GET|CONFIG GET nope|CONFIG GET nope*|CONFIG GET databases|CONFIG GET save appendonly|CONFIG HELP|\
    INFO|INFO replication|INFO REPLICATION cluster|INFO nope|INFO cluster|\
    MEMORY|MEMORY BOGUS|MEMORY HELP|MEMORY USAGE|MEMORY USAGE nobody|MEMORY USAGE a SAMPLES 5|MEMORY USAGE a SAMPLES x|\
    MEMORY USAGE a SAMPLES -1|MEMORY USAGE a BOGUS 5|MEMORY USAGE a SAMPLES|\
    WAIT|WAIT 0|WAIT 0 0|WAIT 0 10|WAIT 1 1|WAIT x 0|WAIT 0 x|WAIT 0 -1|WAIT -1 1|\
    SCAN|SCAN x|SCAN -1|SCAN 0|SCAN 0 COUNT 0|SCAN 0 COUNT x|SCAN 0 COUNT -1|SCAN 0 BOGUS|SCAN 0 BOGUS x|SCAN 0 MATCH|\
    SCAN 0 TYPE list|SCAN 0 TYPE bogus|SCAN 0 MATCH nope*|SCAN 18446744073709551616|SCAN 00|SCAN 0x|SCAN  0|\
    NOSUCH|nosuch a b|NOSUCH ''|GET|get|MSET a|MSET a 1 b|mget|del|SUBSTR a 0|EXPIRE a|EXPIRE a 1000000 BOGUS|\
    EXPIRE nobody x|GETEX|GETEX a EX|TTL|TTL a b|PERSIST|TYPE|STRLEN a b|SETEX a  v|EXPIRE a |GET |SETEX a 1000000|PSETEX a";

/// Some commands at once, and how many of them are replied to.
#[derive(Clone, Debug)]
pub struct Step {
    pub commands: Vec<Command>,
    pub replies: usize,
}

/// What both servers are asked in one go.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub steps: Vec<Step>,
    /// Whether all is sent before a reply is read.
    pub pipelined: bool,
    /// The options of a `SCAN` that looks at what is left.
    pub scan: Option<Vec<String>>,
    /// Whether the client says that it goes.
    pub quits: bool,
}

type Words = Vec<Vec<u8>>;

/// Names of commands that are drawn, in capitals, subcommands behind a blank.
pub fn drawn() -> Vec<String> {
    let fixed = fixed().into_iter().map(|command| command.name());
    let data = DATA.iter().map(|(_, line)| line.split(' ').next().unwrap_or_default().to_owned());
    fixed.chain(data).chain(["QUIT".to_owned()]).collect()
}

fn fixed() -> Vec<Command> {
    // ¦ stands for a bar within a word, ¤ for a blank.
    let words = |line: &str| line.split(' ').map(|word| word.replace('¦', "|").replace('¤', " ")).collect();
    let command = |words: Vec<String>| Command::of(&words.iter().map(String::as_str).collect::<Vec<_>>());
    FIXED.split('|').map(words).map(command).collect()
}

/// Commands on data by how often each is drawn: `K` a key, `V` a value, `N` a number, `I` a small one, `T` an expiry.
const DATA: &[(u32, &str)] = &[
    (12, "SET K V"),
    (2, "SET K V EX N"),
    (2, "SET K V PX N"),
    (2, "SET K V EXAT N"),
    (2, "SET K V PXAT N"),
    (2, "SET K V KEEPTTL"),
    (1, "SET K V NX"),
    (1, "SET K V GET"),
    (1, "SET K V EX N PX N"),
    (1, "SET K V EX N EX N"),
    (1, "SET K V NX EX N"),
    (1, "SET K V XX NX"),
    (1, "SET K V KEEPTTL EX N"),
    (2, "SETEX K N V"),
    (2, "PSETEX K N V"),
    (8, "GET K"),
    (2, "GETEX K"),
    (2, "GETEX K EX N"),
    (2, "GETEX K PX N"),
    (1, "GETEX K EXAT N"),
    (1, "GETEX K PXAT N"),
    (2, "GETEX K PERSIST"),
    (1, "GETEX K KEEPTTL"),
    (1, "GETEX K PX N PX N"),
    (3, "GETRANGE K I I"),
    (1, "GETRANGE K N N"),
    (1, "SUBSTR K I I"),
    (3, "MGET K K K"),
    (3, "MSET K V K V"),
    (1, "MSET K V K V K V"),
    (2, "STRLEN K"),
    (2, "TYPE K"),
    (3, "DEL K"),
    (2, "DEL K K K"),
    (2, "UNLINK K K"),
    (2, "EXISTS K K"),
    (1, "TOUCH K K"),
    (3, "EXPIRE K N"),
    (2, "PEXPIRE K N"),
    (2, "EXPIREAT K N"),
    (2, "PEXPIREAT K N"),
    (1, "EXPIRE K N NX"),
    (1, "EXPIRE K N NX GT"),
    (1, "PEXPIRE K N LT GT"),
    (2, "PERSIST K"),
    (3, "TTL K"),
    (2, "PTTL K"),
    (2, "EXPIRETIME K"),
    (2, "PEXPIRETIME K"),
    (1, "MEMORY USAGE K"),
];

fn word(template: &'static str) -> BoxedStrategy<Vec<u8>> {
    match template {
        "K" => select(&KEYS[..]).prop_map(<[u8]>::to_vec).boxed(),
        "V" => prop_oneof![
            8 => vec(any::<u8>(), 0..12),
            1 => Just(Vec::new()),
            1 => (0..70_000_usize).prop_map(|len| vec![b'v'; len]),
        ]
        .boxed(),
        "N" => number().boxed(),
        "I" => (-14_i64..14).prop_map(|number| number.to_string().into_bytes()).boxed(),
        name => any::<bool>()
            .prop_map(move |lower| {
                if lower { name.to_ascii_lowercase() } else { name.to_owned() }.into_bytes()
            })
            .boxed(),
    }
}

fn number() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => select(NUMBERS).prop_map(|text| text.as_bytes().to_vec()),
        3 => (1_000_000_u64..4_000_000_000_000).prop_map(|number| number.to_string().into_bytes()),
    ]
}

fn words(template: &'static str) -> BoxedStrategy<Words> {
    template.split(' ').map(word).collect::<Vec<_>>().boxed()
}

fn data() -> BoxedStrategy<Words> {
    proptest::strategy::Union::new_weighted(
        DATA.iter().map(|(weight, line)| (*weight, words(line))).collect(),
    )
    .boxed()
}

/// A command on data with something wrong: an argument less or more, or another one.
fn mutated() -> impl Strategy<Value = Words> {
    let other = prop_oneof![
        select(OPTIONS).prop_map(|option| option.as_bytes().to_vec()),
        number(),
        select(&KEYS[..]).prop_map(<[u8]>::to_vec),
    ];
    (data(), any::<Index>(), 0..3_u8, other).prop_map(|(mut words, at, how, other)| {
        match how {
            0 => drop(words.pop()),
            1 => words.push(other),
            _ => {
                let at = 1 + at.index(words.len() - 1);
                words[at] = other;
            }
        }
        words
    })
}

fn step() -> impl Strategy<Value = Step> {
    let one = |commands: BoxedStrategy<Words>| {
        commands.prop_map(|words| Step { commands: vec![Command(words)], replies: 1 })
    };
    let fixed = select(fixed()).prop_map(|command| command.0).boxed();
    // What is not replied to is done all the same.
    let plain = || select(vec!["SET K V", "GET K", "DEL K", "NOSUCH K"]).prop_flat_map(words);
    let silent = (select(vec!["OFF", "SKIP"]), plain(), plain()).prop_map(|(mode, first, second)| {
        let begin = Command::of(&["CLIENT", "REPLY", mode]);
        let end = if mode == "OFF" { Command::of(&["CLIENT", "REPLY", "ON"]) } else { Command(second) };
        Step { commands: vec![begin, Command(first), end], replies: 1 }
    });
    prop_oneof![20 => one(data()), 4 => one(mutated().boxed()), 5 => one(fixed), 1 => silent]
}

/// See the module.
pub fn sequence() -> impl Strategy<Value = Sequence> {
    let patterns = vec!["*", "key:*", "KEY:?", "[a-b]", "[^a]*", "k*\\\n", "?", "key:[2-9]", "nope", ""];
    let scan = (select(patterns), select(vec!["1", "3", "10", "1000"]), select(vec!["", "string", "hash"]));
    let scan = scan.prop_map(|(pattern, count, kind)| {
        let mut options = vec!["COUNT", count, "MATCH", pattern];
        options.extend(if kind.is_empty() { vec![] } else { vec!["TYPE", kind] });
        options.into_iter().map(str::to_owned).collect()
    });
    (vec(step(), 1..40), any::<bool>(), proptest::option::weighted(0.1, scan), any::<bool>())
        .prop_map(|(steps, pipelined, scan, quits)| Sequence { steps, pipelined, scan, quits })
}
