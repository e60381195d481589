//! From a command's name to what it does.

use std::time::Duration;

use quorate_types::Mono;

use super::Connection;
use crate::effects::Effects;
use crate::limits::Who;
use crate::parse::Args;
use crate::table::{self, Command, Verb};

/// Bytes of an unknown command's name and arguments that its error repeats.
const REPEATED_BYTES_MAX: usize = 128;
/// What follows a refused `MULTI` is refused this long; later it ends the connection.
const REFUSED_MULTI_MAX: Duration = Duration::from_secs(1);

impl Connection {
    pub(super) fn dispatch(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if let Some(since) = self.session.refused_multi
            && self.behind_refused_multi(since, args, effects)
        {
            return;
        }
        let name = args.at(0);
        let Some(command) = table::offered(name) else { return self.not_offered(args, effects) };
        let (command, of) = if command.subcommands.is_empty() || args.len() < 2 {
            (command, None)
        } else {
            let Some(sub) = table::subcommand(command, args.at(1)) else {
                return self.no_subcommand(command, args, effects);
            };
            (sub, Some(command))
        };
        if self.session.who == Who::Stranger && !command.flags().contains(&"no_auth") {
            return self.error("NOAUTH Authentication required.", effects);
        }
        if !command.takes(args.len()) {
            let named = of.map_or_else(
                || command.name.to_owned(),
                |container| format!("{}|{}", container.name, command.name),
            );
            return self.wrong_arity(&named, effects);
        }
        self.run(command, args, effects);
    }

    fn run(&mut self, command: &Command, args: &Args<'_>, effects: &mut Effects) {
        match command.verb {
            Verb::Get => self.get(args, effects),
            Verb::Set => self.set(args, effects),
            Verb::SetEx(unit) => self.set_ex(unit, args, effects),
            Verb::MGet => self.mget(args, effects),
            Verb::MSet => self.mset(args, effects),
            Verb::Del => self.del(args, effects),
            Verb::Unlink => self.unlink(args, effects),
            Verb::Exists => self.exists(args, effects),
            Verb::Strlen | Verb::Type | Verb::Ttl(_) | Verb::ExpireTime(_) | Verb::MemoryUsage => {
                self.look(command, args, effects);
            }
            Verb::GetRange => self.get_range(args, effects),
            Verb::Expire(unit) => self.expire(unit, args, effects),
            Verb::Persist => self.persist(args, effects),
            Verb::GetEx => self.get_ex(args, effects),
            Verb::Scan => self.scan(args, effects),
            Verb::KvGet => self.kv_get(args, effects),
            Verb::KvPut => self.kv_put(args, effects),
            Verb::KvDel => self.kv_del(args, effects),
            Verb::KvConsistency => self.kv_consistency(args, effects),
            Verb::KvExplain => self.kv_explain(args, effects),
            Verb::KvReceipt => self.kv_receipt(args, effects),
            Verb::Command
            | Verb::CommandCount
            | Verb::CommandDocs
            | Verb::CommandGetKeys
            | Verb::CommandInfo
            | Verb::CommandList => self.command_about(command.verb, args, effects),
            Verb::Info | Verb::DbSize | Verb::ConfigGet | Verb::Config | Verb::Memory | Verb::Time => {
                self.server(command.verb, args, effects);
            }
            Verb::Wait => self.wait(args, effects),
            Verb::Help => self.help(args, effects),
            Verb::ClusterInfo
            | Verb::ClusterKeySlot
            | Verb::ClusterMyId
            | Verb::ClusterNodes
            | Verb::ClusterShards
            | Verb::ClusterSlots => self.cluster(command.verb, args, effects),
            _ => self.connecting(command.verb, args, effects),
        }
    }

    #[cold]
    fn not_offered(&mut self, args: &Args<'_>, effects: &mut Effects) {
        if is_of_http(args) {
            return self.cut_off(effects);
        }
        effects.counts.refused += 1;
        let name = args.at(0);
        if self.session.who == Who::Stranger {
            return self.error("NOAUTH Authentication required.", effects);
        }
        if let Some(why) = table::refused(name) {
            if args.is(0, "MULTI") {
                self.session.refused_multi.get_or_insert(self.now.mono);
            }
            let name = args.text(0).to_uppercase();
            return self.error(&format!("ERR {name} is not offered: {}.", why.sentence()), effects);
        }
        let mut beginning = String::new();
        for at in 1..args.len() {
            if beginning.len() >= REPEATED_BYTES_MAX {
                break;
            }
            let left = REPEATED_BYTES_MAX - beginning.len();
            beginning.extend(["'", &clipped(args.at(at), left), "' "]);
        }
        let name = clipped(name, REPEATED_BYTES_MAX);
        self.error(&format!("ERR unknown command '{name}', with args beginning with: {beginning}"), effects);
    }

    /// A command between a refused `MULTI` and its end; whether it has been replied to.
    ///
    /// Many clients send a transaction in one go: its commands must not be executed because its `MULTI` was not. Others
    /// read the refusal and give the connection back to a pool, or to those who share it: for them it is closed after a
    /// while, and a new one is as good as any.
    #[cold]
    fn behind_refused_multi(&mut self, since: Mono, args: &Args<'_>, effects: &mut Effects) -> bool {
        if ["MULTI", "RESET", "QUIT"].iter().any(|word| args.is(0, word)) || is_of_http(args) {
            return false;
        }
        let ends = args.is(0, "EXEC") || args.is(0, "DISCARD");
        if ends {
            self.session.refused_multi = None;
        }
        if args.is(0, "DISCARD") {
            self.ok();
            return true;
        }
        effects.counts.refused += 1;
        let name = clipped(args.at(0), REPEATED_BYTES_MAX).to_uppercase();
        let text = if ends {
            let why = table::Why::Transaction.sentence();
            format!(
                "EXECABORT Transaction discarded, nothing of it was executed: MULTI is not offered: {why}."
            )
        } else if self.now.mono.since(since) >= REFUSED_MULTI_MAX {
            self.ending = true;
            format!(
                "ERR {name} was not executed: it follows a MULTI that was refused, and no EXEC, DISCARD or RESET came \
                 within {} s. The connection is closed: connect again.",
                REFUSED_MULTI_MAX.as_secs()
            )
        } else {
            format!(
                "ERR {name} was not executed: it follows a MULTI that was refused. EXEC, DISCARD or RESET end that; \
                 send a plain pipeline (redis-py: pipeline(transaction=False))."
            )
        };
        self.error(&text, effects);
        true
    }

    /// Ends the connection of a client that speaks HTTP, without a word, as Redis does: a browser that a web page makes
    /// do it would go on with what the page wrote, and that may be commands.
    #[cold]
    fn cut_off(&mut self, effects: &mut Effects) {
        effects.counts.cross_protocol += 1;
        effects.cross_protocol = true;
        self.ending = true;
    }

    #[cold]
    fn no_subcommand(&mut self, command: &Command, args: &Args<'_>, effects: &mut Effects) {
        effects.counts.refused += 1;
        if self.session.who == Who::Stranger {
            return self.error("NOAUTH Authentication required.", effects);
        }
        if command.verb == Verb::Cluster && table::is_refused_of_cluster(args.at(1)) {
            return self.cluster_refused(args, effects);
        }
        let (sub, name) = (clipped(args.at(1), REPEATED_BYTES_MAX), command.name.to_uppercase());
        self.error(&format!("ERR unknown subcommand '{sub}'. Try {name} HELP."), effects);
    }

    #[cold]
    pub(super) fn wrong_arity(&mut self, named: &str, effects: &mut Effects) {
        self.error(&format!("ERR wrong number of arguments for '{named}' command"), effects);
    }

    #[cold]
    pub(super) fn syntax_error(&mut self, effects: &mut Effects) {
        self.error("ERR syntax error", effects);
    }

    #[cold]
    pub(super) fn not_a_number(&mut self, effects: &mut Effects) {
        self.error("ERR value is not an integer or out of range", effects);
    }
}

/// Whether it is the first line of a request of HTTP with a body, or the header that every such request has.
fn is_of_http(args: &Args<'_>) -> bool {
    args.is(0, "POST") || args.is(0, "Host:")
}

fn clipped(text: &[u8], bytes_max: usize) -> String {
    String::from_utf8_lossy(&text[..text.len().min(bytes_max)]).into_owned()
}
