//! The words of `wal`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `wal`
#[derive(Subcommand, Debug)]
pub enum WalVerb {
    /// Lists the segments
    Ls(WalDir),
    /// Prints the records
    #[command(
        after_help = "-o json and -o ndjson both print one object a line; -o raw prints payloads, end to end.\n\
        Of a damaged log, the records of each segment up to the first damage are shown, then the damage."
    )]
    Dump {
        #[command(flatten)]
        dir: WalDir,
        /// Begin at this LSN
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Stop after this many
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
        #[command(flatten)]
        reading: Reading,
    },
    /// Reads the whole log and checks all there is to check
    #[command(
        after_help = "Sound means: every record that a later frame, an idle mark, a close or a later segment vouches for can be\n\
        read. What vouches for the last batch comes after it: if that batch rots before, it looks like a write that was\n\
        cut short, and the end is called torn."
    )]
    Verify(WalDir),
    /// Prints every intact record of a damaged log, and each gap; changes nothing in it
    #[command(after_help = "-o json and -o ndjson both print one object a line. Gaps go to standard error.")]
    Salvage {
        #[command(flatten)]
        dir: WalDir,
        /// Write the records into a new log in this folder, which must be empty; they are numbered anew
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        #[command(flatten)]
        reading: Reading,
    },
    /// Ends a log after a record you name; asks you to type its LSN
    #[command(
        after_help = "Changes the log: later records are lost to it; later segments are put aside, none is removed.\n\
        Stop the node first. Rebuilding the replica from the others loses nothing: prefer that."
    )]
    Truncate {
        #[command(flatten)]
        dir: WalDir,
        /// The last record that stays
        #[arg(long, value_name = "LSN")]
        at: u64,
        /// What you would type at a terminal, where there is none: the same LSN again
        #[arg(long, value_name = "LSN")]
        yes_i_typed: Option<u64>,
    },
}

/// A log on disk.
#[derive(Args, Debug)]
pub struct WalDir {
    /// The folder of the log, or of the node that it belongs to
    pub dir: PathBuf,
}

/// What the records are.
#[derive(Args, Debug)]
pub struct Reading {
    /// What the payloads are taken for [default: a node's in a node's folder, else bytes]
    #[arg(long = "as", value_enum, value_name = "WHAT")]
    pub payloads: Option<Payloads>,
}

/// What payloads are.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payloads {
    /// Writes, clock ceilings and hints of a node
    Node,
    /// Bytes of whatever program
    Bytes,
}
