//! A logbook in a folder: the log by itself, in a program one can hold in one's head.
//!
//! ```text
//! cargo run -p quorate-wal --example logbook -- DIR add "first entry"     # returns once it is on the disk
//! cargo run -p quorate-wal --example logbook -- DIR list                  # whatever happened, every line once added is there
//! cargo run -p quorate-wal --example logbook -- DIR forget 10             # entries up to 10 may go
//! cargo run -p quorate-wal --example logbook -- DIR import < lines        # many at once; another thread follows, line by line
//! ```
//!
//! Kill it at any moment: what it printed as written is written.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::thread;

use quorate_wal::repair::{Salvaged, salvage};
use quorate_wal::{Error, Lsn, Options, Recovery, StdIo, TailState, Wal};

/// The kind of our records; another would be another type of entry.
const ENTRY: u8 = 1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [dir, verb, rest @ ..] = &args[..] else {
        return Err("logbook DIR add|list|forget|import …".into());
    };
    let dir = PathBuf::from(dir);
    let (wal, recovery) = match Wal::open(&Options::new(&dir).segment_bytes(1 << 20), StdIo::shared()) {
        Ok(opened) => opened,
        Err(error @ (Error::Corrupt(_) | Error::Missing { .. })) => return Err(report(&dir, error).into()),
        Err(error) => return Err(error.into()),
    };
    if let TailState::Torn { offset } = recovery.tail() {
        eprintln!(
            "note: an entry was being written when the last run ended; it was never confirmed (byte {offset})"
        );
    }
    match (*verb, rest) {
        ("add", [text]) => {
            let lsn = wal.append(ENTRY, &[text.as_bytes()])?.wait()?;
            println!("written as entry {lsn}");
        }
        ("list", []) => list(&recovery)?,
        ("forget", [lsn]) => wal.checkpoint(Lsn::new(lsn.parse()?)),
        ("import", []) => import(&wal)?,
        _ => return Err("logbook DIR add TEXT | list | forget LSN | import".into()),
    }
    wal.close()?;
    Ok(())
}

fn list(recovery: &Recovery) -> Result<(), Error> {
    recovery.replay(recovery.oldest_lsn())?.for_each(|record| {
        println!("{:>6}  {}", record.lsn, String::from_utf8_lossy(record.payload));
        Ok(())
    })
}

/// Stages every line, waits once, while a second thread prints what is already safe.
fn import(wal: &Wal) -> Result<(), Box<dyn std::error::Error>> {
    let mut tail = wal.tail(wal.last_lsn().next())?;
    // What the tail has yet to print must not be given back, whoever calls `forget`.
    let mut pin = wal.retain("import", tail.next_lsn())?;
    let follower = thread::spawn(move || -> Result<u64, Error> {
        let mut printed = 0;
        while let Some(record) = tail.wait_next()? {
            let lsn = record.lsn;
            let text = String::from_utf8_lossy(record.payload);
            writeln!(io::stdout(), "{lsn:>6}  {text}").unwrap_or_default();
            pin.advance(lsn.next());
            printed += 1;
        }
        Ok(printed)
    });
    for line in io::stdin().lock().lines() {
        // Bounded memory: when too much waits, this waits for the disk.
        let line = line?;
        if let Err(Error::Full { .. }) = wal.stage(ENTRY, &[line.as_bytes()]) {
            wal.sync_to(wal.last_lsn())?;
            wal.stage(ENTRY, &[line.as_bytes()])?;
        }
    }
    wal.sync_to(wal.last_lsn())?;
    wal.close()?;
    let printed = follower.join().map_err(|_| "the follower panicked")??;
    eprintln!("{printed} entries");
    Ok(())
}

/// Says what can still be read of a damaged logbook, and what the damage is.
fn report(dir: &Path, error: Error) -> Error {
    let Ok(mut found) = salvage(StdIo::shared(), dir) else { return error };
    while let Some(item) = found.next_item() {
        match item {
            Salvaged::Record(record) => {
                println!("{:>6}  {}", record.lsn, String::from_utf8_lossy(record.payload));
            }
            Salvaged::Gap(gap) => eprintln!("gap: {gap}"),
            other => eprintln!("not known to this program: {other:?}"),
        }
    }
    error
}
