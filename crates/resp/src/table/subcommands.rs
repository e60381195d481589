//! The subcommands of the commands that have some, each list sorted by name.

use super::offered::command;
use super::{Access, Command, Group, NONE, SECOND, Verb};

macro_rules! commands {
    ($group:expr; $($name:literal $arity:literal $access:ident $keys:ident $since:literal
        $syntax:literal $summary:literal $verb:expr;)*) => {
        [$(command(
            ($name, $arity, Access::$access, $keys),
            ($group, $since, $syntax, $summary),
            $verb,
            &[],
        )),*]
    };
}

pub(super) const CLIENT: &[Command] = &commands![Group::Connection;
    "getname" 2 None NONE "2.6.9"
        "CLIENT GETNAME"
        "The name of this connection." Verb::ClientGetName;
    "help" 2 None NONE "5.0.0"
        "CLIENT HELP"
        "What the subcommands are." Verb::Help;
    "id" 2 None NONE "5.0.0"
        "CLIENT ID"
        "The number of this connection." Verb::ClientId;
    "info" 2 None NONE "6.2.0"
        "CLIENT INFO"
        "What is known of this connection." Verb::ClientInfo;
    "kill" -3 None NONE "2.4.0"
        "CLIENT KILL addr:port | [ID id] [ADDR addr:port] [LADDR addr:port] [SKIPME yes|no]"
        "Ends connections of this node." Verb::ClientKill;
    "list" -2 None NONE "2.4.0"
        "CLIENT LIST"
        "The connections of this node, a line each." Verb::ClientList;
    "no-evict" 3 None NONE "7.0.0"
        "CLIENT NO-EVICT ON|OFF"
        "Taken and without effect: no connection is evicted." Verb::ClientNoOp;
    "no-touch" 3 None NONE "7.2.0"
        "CLIENT NO-TOUCH ON|OFF"
        "Taken and without effect: reads are not recorded." Verb::ClientNoOp;
    "reply" 3 None NONE "3.2.0"
        "CLIENT REPLY ON|OFF|SKIP"
        "Whether this connection is replied to." Verb::ClientReply;
    "setinfo" 4 None NONE "7.2.0"
        "CLIENT SETINFO LIB-NAME name | LIB-VER version"
        "Notes the name or version of the client library." Verb::ClientSetInfo;
    "setname" 3 None NONE "2.6.9"
        "CLIENT SETNAME name"
        "Names this connection." Verb::ClientSetName;
];

pub(super) const CLUSTER: &[Command] = &commands![Group::Server;
    "help" 2 None NONE "5.0.0"
        "CLUSTER HELP"
        "What the subcommands are." Verb::Help;
    "info" 2 None NONE "3.0.0"
        "CLUSTER INFO"
        "How many slots and nodes there are." Verb::ClusterInfo;
    "keyslot" 3 None NONE "3.0.0"
        "CLUSTER KEYSLOT key"
        "The slot of a key." Verb::ClusterKeySlot;
    "myid" 2 None NONE "3.0.0"
        "CLUSTER MYID"
        "This node among cluster clients." Verb::ClusterMyId;
    "nodes" 2 None NONE "3.0.0"
        "CLUSTER NODES"
        "The nodes and their slots, a line each." Verb::ClusterNodes;
    "shards" 2 None NONE "7.0.0"
        "CLUSTER SHARDS"
        "The nodes and their slots; a node that is down has none." Verb::ClusterShards;
    "slots" 2 None NONE "3.0.0"
        "CLUSTER SLOTS"
        "The slots and their nodes." Verb::ClusterSlots;
];

pub(super) const COMMAND: &[Command] = &commands![Group::Server;
    "count" 2 None NONE "2.8.13"
        "COMMAND COUNT"
        "How many commands there are." Verb::CommandCount;
    "docs" -2 None NONE "7.0.0"
        "COMMAND DOCS [name ...]"
        "What commands do." Verb::CommandDocs;
    "getkeys" -3 None NONE "2.8.13"
        "COMMAND GETKEYS command [argument ...]"
        "The keys among the arguments of a command." Verb::CommandGetKeys;
    "help" 2 None NONE "5.0.0"
        "COMMAND HELP"
        "What the subcommands are." Verb::Help;
    "info" -2 None NONE "2.8.13"
        "COMMAND INFO [name ...]"
        "How commands are called." Verb::CommandInfo;
    "list" -2 None NONE "7.0.0"
        "COMMAND LIST"
        "The names of all commands." Verb::CommandList;
];

pub(super) const CONFIG: &[Command] = &commands![Group::Server;
    "get" -3 None NONE "2.0.0"
        "CONFIG GET pattern [pattern ...]"
        "The few settings that clients ask for." Verb::ConfigGet;
    "help" 2 None NONE "5.0.0"
        "CONFIG HELP"
        "What the subcommands are." Verb::Help;
];

pub(super) const MEMORY: &[Command] = &commands![Group::Server;
    "help" 2 None NONE "5.0.0"
        "MEMORY HELP"
        "What the subcommands are." Verb::Help;
    "usage" -3 Read SECOND "4.0.0"
        "MEMORY USAGE key [SAMPLES count]"
        "An estimate of the memory that a key takes on one replica." Verb::MemoryUsage;
];
