//! Commands about the server: `COMMAND`, `CONFIG GET`, `INFO`, `DBSIZE`, `TIME`.

use quorate_wire::RequestBody;

use super::Connection;
use crate::effects::Effects;
use crate::encode::Writer;
use crate::glob;
use crate::info::Sections;
use crate::parse::Args;
use crate::pending::{StatusReply, Work, number};
use crate::table::{self, Access, Command, OFFERED, Verb};

impl Connection {
    pub(super) fn command_about(&mut self, verb: Verb, args: &Args<'_>, effects: &mut Effects) {
        match verb {
            Verb::Command => self.reply(|w| {
                w.array(OFFERED.len());
                for command in OFFERED {
                    about(command, command.name, w);
                }
            }),
            Verb::CommandCount => self.reply(|w| w.count(OFFERED.len() as u64)),
            Verb::CommandInfo if args.len() == 2 => self.reply(|w| {
                w.array(OFFERED.len());
                for command in OFFERED {
                    about(command, command.name, w);
                }
            }),
            Verb::CommandInfo => self.reply(|w| {
                w.array(args.len() - 2);
                for at in 2..args.len() {
                    match named(args.at(at)) {
                        Some((command, name)) => about(command, &name, w),
                        None => w.null(),
                    }
                }
            }),
            Verb::CommandDocs => self.docs(args),
            Verb::CommandList if args.len() == 2 => self.reply(|w| {
                w.array(OFFERED.len());
                for command in OFFERED {
                    w.bulk(command.name.as_bytes());
                }
            }),
            Verb::CommandGetKeys => self.get_keys(args, effects),
            _ => self.syntax_error(effects),
        }
    }

    /// The subcommands of the command that is asked, as Redis lays them out.
    pub(super) fn help(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Some(command) = table::offered(args.at(0)) else { return };
        if command.verb == Verb::Cluster && self.settings.cluster.is_none() {
            return self.error(super::cluster::DISABLED, effects);
        }
        let name = command.name.to_uppercase();
        self.reply(|w| {
            w.array(1 + 2 * command.subcommands.len());
            w.status(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
            for sub in command.subcommands {
                w.status(sub.syntax.strip_prefix(&name).unwrap_or(sub.syntax).trim_start());
                w.status(&format!("    {}", sub.summary));
            }
        });
    }

    fn docs(&mut self, args: &Args<'_>) {
        let asked: Vec<(&Command, String)> = if args.len() == 2 {
            OFFERED.iter().map(|command| (command, command.name.to_owned())).collect()
        } else {
            (2..args.len()).filter_map(|at| named(args.at(at))).collect()
        };
        self.reply(|w| {
            w.map(asked.len());
            for (command, name) in &asked {
                w.bulk(name.as_bytes());
                documented(command, w);
            }
        });
    }

    fn get_keys(&mut self, args: &Args<'_>, effects: &mut Effects) {
        let Some(command) = table::offered(args.at(2)) else {
            return self.error("ERR Invalid command specified", effects);
        };
        let (command, arguments) = match command.subcommands {
            [] => (command, args.len() - 2),
            _ => match args.len().checked_sub(4).and_then(|_| table::subcommand(command, args.at(3))) {
                Some(sub) => (sub, args.len() - 2),
                None => return self.error("ERR Invalid command specified", effects),
            },
        };
        if !command.takes(arguments) {
            return self.error("ERR Invalid number of arguments specified for command", effects);
        }
        let keys: Vec<usize> = command.key_positions(arguments).collect();
        if keys.is_empty() {
            return self.error("ERR The command has no key arguments", effects);
        }
        self.reply(|w| {
            w.array(keys.len());
            for at in keys {
                w.bulk(args.at(at + 2));
            }
        });
    }

    pub(super) fn server(&mut self, verb: Verb, args: &Args<'_>, effects: &mut Effects) {
        match verb {
            Verb::Info => {
                let names = (1..args.len()).map(|at| args.text(at).to_lowercase()).collect();
                self.ask_status(StatusReply::Info(Sections::new(names)), effects);
            }
            Verb::DbSize => self.ask_status(StatusReply::DbSize, effects),
            Verb::ConfigGet => self.config_get(args),
            Verb::Time => {
                let ms = self.now.wall_ms;
                self.reply(|w| {
                    w.array(2);
                    w.bulk((ms / 1_000).to_string().as_bytes());
                    w.bulk((ms % 1_000 * 1_000).to_string().as_bytes());
                });
            }
            Verb::Config => self.wrong_arity("config", effects),
            _ => self.wrong_arity("memory", effects),
        }
    }

    fn ask_status(&mut self, reply: StatusReply, effects: &mut Effects) {
        let place = self.pending.next_place();
        self.push(Work::Status(reply, None));
        self.ask(number(place, 0), RequestBody::Status, effects);
    }

    /// What clients and load generators look for, as it is here.
    fn config_get(&mut self, args: &Args<'_>) {
        let (limits, about) = (&self.settings.limits, &self.settings.about);
        let settings = [
            ("appendfsync", about.appendfsync.to_owned()),
            ("appendonly", "yes".to_owned()),
            ("databases", "1".to_owned()),
            ("maxmemory", "0".to_owned()),
            ("maxmemory-policy", "noeviction".to_owned()),
            ("port", about.port.to_string()),
            ("proto-max-bulk-len", limits.argument_bytes_max.to_string()),
            ("save", String::new()),
            ("timeout", "0".to_owned()),
        ];
        let fits = |name: &str| {
            (2..args.len()).any(|at| glob::fits(&args.at(at).to_ascii_lowercase(), name.as_bytes()))
        };
        let found: Vec<_> = settings.iter().filter(|(name, _)| fits(name)).collect();
        self.reply(|w| {
            w.map(found.len());
            for (name, value) in found {
                w.bulk(name.as_bytes());
                w.bulk(value.as_bytes());
            }
        });
    }
}

/// The command or subcommand of this name, and the name.
fn named(name: &[u8]) -> Option<(&'static Command, String)> {
    let mut words = name.splitn(2, |byte| *byte == b'|');
    let command = table::offered(words.next()?)?;
    match words.next() {
        None => Some((command, command.name.to_owned())),
        Some(sub) => {
            let sub = table::subcommand(command, sub)?;
            Some((sub, format!("{}|{}", command.name, sub.name)))
        }
    }
}

/// As `COMMAND` lists it.
fn about(command: &Command, name: &str, w: &mut Writer<'_>) {
    w.array(10);
    w.bulk(name.as_bytes());
    w.integer(i64::from(command.arity));
    let flags = command.flags();
    w.set(flags.len());
    for flag in flags {
        w.status(flag);
    }
    for position in [command.keys.first, command.keys.last, command.keys.step] {
        w.integer(i64::from(position));
    }
    let category = match command.access {
        Access::Read => "@read",
        Access::Write => "@write",
        Access::None => "@connection",
    };
    w.set(1);
    w.status(category);
    w.array(0);
    w.array(0);
    w.array(command.subcommands.len());
    for sub in command.subcommands {
        about(sub, &format!("{name}|{}", sub.name), w);
    }
}

/// As `COMMAND DOCS` describes it.
fn documented(command: &Command, w: &mut Writer<'_>) {
    w.map(3);
    for (name, text) in
        [("summary", command.summary), ("since", command.since), ("group", command.group.word())]
    {
        w.bulk(name.as_bytes());
        w.bulk(text.as_bytes());
    }
}
