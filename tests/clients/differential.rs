//! The same commands to a door and to a real Redis.

mod connection;
mod differences;
mod generator;
mod peer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use libtest_mimic::Failed;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::connection::{Command, Connection};
use self::differences::{DIFFERENCES, REFUSED, is_our_own, is_refused, reason};
use self::generator::{KEYS, Sequence, Step, drawn, sequence};
pub use self::peer::Peer;
use crate::reply::Reply;
use crate::settings::Settings;

/// The servers, in what is said of them.
const DOOR: &str = "the door";
const REDIS: &str = "Redis";

/// How many replies were the same, and how many differed for which reason.
#[derive(Debug, Default)]
struct Tally {
    same: u64,
    differing: BTreeMap<&'static str, u64>,
}

/// Random sequences to both; `Ok(Some)`: there is no Redis here, and why.
pub fn sequences(door: &str, settings: &Settings) -> Result<Option<String>, Failed> {
    let peer = match Peer::start() {
        Ok(peer) => peer,
        Err(why) => return Ok(Some(why)),
    };
    let tally = RefCell::new(Tally::default());
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&settings.seed.to_le_bytes());
    let config = Config { cases: settings.sequences, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let ran = runner.run(&sequence(), |sequence| {
        let both = Both { door, peer: &peer, tally: &tally };
        both.agree_on(&sequence).map_err(TestCaseError::fail)
    });
    ran.map_err(|why| format!("CLIENTS_SEED={}: {why}", settings.seed))?;
    let Tally { same, differing } = tally.into_inner();
    println!(
        "  Redis {}: {} sequences; {same} replies the same, others by reason: {differing:?}",
        peer.version, settings.sequences
    );
    Ok(None)
}

fn broke(whose: &str) -> impl Fn(io::Error) -> String {
    move |why| format!("the connection to {whose} broke: {why}")
}

/// Both servers, and what they have said.
struct Both<'a> {
    door: &'a str,
    peer: &'a Peer,
    tally: &'a RefCell<Tally>,
}

impl Both<'_> {
    fn agree_on(&self, sequence: &Sequence) -> Result<(), String> {
        let mut ours = emptied(self.door).map_err(broke(DOOR))?;
        let mut theirs = emptied(&self.peer.addr).map_err(broke(REDIS))?;
        let our_replies = asked(&mut ours, &sequence.steps, sequence.pipelined).map_err(broke(DOOR))?;
        let (mut steps, mut replies) = (Vec::new(), Vec::new());
        for (step, reply) in sequence.steps.iter().zip(our_replies) {
            let command = step.commands.last().expect("a step has commands");
            if is_refused(command, &reply) {
                *self.tally.borrow_mut().differing.entry(REFUSED).or_default() += 1;
            } else {
                steps.push(step.clone());
                replies.push(reply);
            }
        }
        let their_replies = asked(&mut theirs, &steps, sequence.pipelined).map_err(broke(REDIS))?;
        for ((step, ours), theirs) in steps.iter().zip(&replies).zip(&their_replies) {
            self.compare(step.commands.last().expect("a step has commands"), ours, theirs)?;
        }
        self.compare_what_is_left([&mut ours, &mut theirs], sequence)
    }

    fn compare(&self, command: &Command, ours: &Reply, theirs: &Reply) -> Result<(), String> {
        if ours == theirs {
            self.tally.borrow_mut().same += 1;
            return Ok(());
        }
        match reason(command, ours, theirs) {
            Some(reason) => {
                *self.tally.borrow_mut().differing.entry(reason).or_default() += 1;
                Ok(())
            }
            None => Err(format!("{command:?}\n  ours   {}\n  theirs {}", clipped(ours), clipped(theirs))),
        }
    }

    /// All keys that are there, and their values and expiries; then, perhaps, a farewell.
    fn compare_what_is_left(
        &self,
        [ours, theirs]: [&mut Connection; 2],
        sequence: &Sequence,
    ) -> Result<(), String> {
        if let Some(options) = &sequence.scan {
            let (our_keys, their_keys) =
                (ours.scan(options).map_err(broke(DOOR))?, theirs.scan(options).map_err(broke(REDIS))?);
            if our_keys != their_keys {
                return Err(format!("SCAN {options:?}\n  ours   {our_keys:?}\n  theirs {their_keys:?}"));
            }
        }
        let looks = KEYS.iter().flat_map(|key| ["GET", "PEXPIRETIME"].map(|name| looked(name, key)));
        let farewell = sequence.quits.then(|| Command::of(&["QUIT"]));
        for command in looks.chain(farewell) {
            let (ours, theirs) =
                (ours.ask(&command).map_err(broke(DOOR))?, theirs.ask(&command).map_err(broke(REDIS))?);
            self.compare(&command, &ours, &theirs)?;
        }
        let end = |connection: &mut Connection| connection.receive().map_err(|why| why.kind());
        if sequence.quits
            && (end(ours), end(theirs))
                != (Err(io::ErrorKind::UnexpectedEof), Err(io::ErrorKind::UnexpectedEof))
        {
            return Err("QUIT did not end both connections".to_owned());
        }
        Ok(())
    }
}

/// A connection to a server that holds no key any more.
fn emptied(addr: &str) -> io::Result<Connection> {
    let mut connection = Connection::new(addr)?;
    match connection.ask(&del())? {
        Reply::Integer(_) => Ok(connection),
        other => Err(io::Error::other(format!("DEL of all keys was answered by {other}"))),
    }
}

fn looked(name: &str, key: &[u8]) -> Command {
    Command(vec![name.as_bytes().to_vec(), key.to_vec()])
}

fn del() -> Command {
    let keys = KEYS.iter().map(|key| key.to_vec());
    Command([b"DEL".to_vec()].into_iter().chain(keys).collect())
}

/// The replies to `steps`, one each.
#[allow(clippy::fn_params_excessive_bools, reason = "it is what a sequence says of itself")]
fn asked(connection: &mut Connection, steps: &[Step], pipelined: bool) -> io::Result<Vec<Reply>> {
    let batches: Vec<&[Step]> = if pipelined { vec![steps] } else { steps.chunks(1).collect() };
    let mut replies = Vec::new();
    for batch in batches {
        let commands: Vec<Command> = batch.iter().flat_map(|step| step.commands.clone()).collect();
        connection.send(&commands)?;
        for _ in 0..batch.iter().map(|step| step.replies).sum() {
            let come = replies.len();
            let broken =
                |why: io::Error| io::Error::new(why.kind(), format!("{why}; {come} replies had come"));
            replies.push(connection.receive().map_err(broken)?);
        }
    }
    Ok(replies)
}

fn clipped(reply: &Reply) -> String {
    reply.to_string().chars().take(300).collect()
}

/// Every command that is offered is drawn, or is our own.
pub fn every_offered_command_is_drawn(door: &str) -> Result<(), Failed> {
    let drawn = drawn();
    let mut connection = Connection::new(door)?;
    let Reply::Array(commands) = connection.ask(&Command::of(&["COMMAND"]))? else {
        return Err("COMMAND was not answered by a list".into());
    };
    for name in commands.iter().flat_map(names) {
        if !is_our_own(&name) && !drawn.contains(&name) {
            return Err(format!("{name} is offered and never drawn").into());
        }
    }
    if commands.len() < 40 {
        Err(format!("only {} commands are offered", commands.len()).into())
    } else {
        Ok(())
    }
}

/// The names of what `COMMAND` says of one command and its subcommands.
fn names(about: &Reply) -> Vec<String> {
    let Reply::Array(parts) = about else { return Vec::new() };
    match parts.get(9) {
        Some(Reply::Array(subcommands)) if !subcommands.is_empty() => {
            subcommands.iter().flat_map(names).collect()
        }
        _ => parts
            .first()
            .and_then(Reply::text)
            .map(|name| name.replace('|', " ").to_uppercase())
            .into_iter()
            .collect(),
    }
}

/// Every reason stands in docs/redis.md.
pub fn every_difference_is_in_the_docs() -> Result<(), Failed> {
    let page = include_str!("../../docs/redis.md");
    for reason in DIFFERENCES.iter().map(|difference| difference.reason).chain([REFUSED]) {
        if !page.contains(reason) {
            return Err(format!("docs/redis.md does not say: {reason}").into());
        }
    }
    Ok(())
}
