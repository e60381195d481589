//! The oracle judged: it must accept what may be and convict everything else, each for what it is.

use libtest_mimic::Failed;
use quorate_wal::Durability::{self, Durable, Written};

use crate::cases::{Outcome, passed};
use crate::name::Name;
use crate::oracle::{Checked, Conviction, Fate, Found, History};
use crate::report::Report;
use crate::settings::Settings;

const SEED: u64 = 7;
const LIFE: u64 = 256;

fn opened(life: u64, last: u64) -> Report {
    Report::Opened { life, oldest: 1, last }
}

fn acked(writer: u32, counter: u64, lsn: u64, safety: Durability) -> Report {
    Report::Acked { writer, counter, lsn, safety }
}

/// Writer 1 appended LSN 1, 3, 4; writer 2 LSN 2 and the batch 5 to 7; up to 4 durable, 7 written, 8 not told.
fn history() -> Result<History, Conviction> {
    let mut history = History::new(SEED);
    for report in [
        Report::Opening,
        opened(LIFE, 0),
        Report::Trying { writer: 1, last: 3 },
        acked(1, 1, 1, Durable),
        Report::Trying { writer: 2, last: 4 },
        acked(2, 1, 2, Durable),
        acked(1, 3, 4, Durable),
        acked(2, 4, 7, Written),
        Report::Trying { writer: 1, last: 4 },
    ] {
        history.feed(&report)?;
    }
    Ok(history)
}

fn names() -> Vec<Name> {
    let single = |writer, counter| Name::single(LIFE, writer, counter);
    let batched = |place: u16| Name { counter: 2 + u64::from(place), place, of: 3, ..single(2, 0) };
    vec![
        single(1, 1),
        single(2, 1),
        single(1, 2),
        single(1, 3),
        batched(0),
        batched(1),
        batched(2),
        single(1, 4),
    ]
}

fn found(names: &[Name]) -> Found {
    let records = (1..).zip(names).map(|(lsn, name)| {
        let (kind, payload) = name.record(SEED);
        (lsn, kind, payload)
    });
    Found { oldest: 1, records: records.collect() }
}

fn verdict(names: &[Name], fate: Fate) -> Result<Checked, Conviction> {
    history()?.check(&found(names), fate)
}

fn expect(claim: &str, got: Result<Checked, Conviction>, expected: &Conviction) -> Result<(), Failed> {
    match got {
        Err(conviction) if conviction == *expected => Ok(()),
        other => Err(format!("{claim}: expected {expected:?}, got {other:?}").into()),
    }
}

/// Faithful logs, with what was not acknowledged there or not.
pub fn a_faithful_log_is_accepted(_: &Settings) -> Result<Outcome, Failed> {
    let all = names();
    let checked = Checked { oldest: 1, last: 8, acked: 4, unacked_lost: 0 };
    let without = Checked { last: 7, unacked_lost: 1, ..checked };
    let durable_only = Checked { last: 4, unacked_lost: 4, ..checked };
    let verdicts = [
        (verdict(&all, Fate::Killed)?, checked),
        (verdict(&all[..7], Fate::Killed)?, without),
        (verdict(&all[..4], Fate::PowerCut)?, durable_only),
    ];
    match verdicts.iter().find(|(got, expected)| got != expected) {
        None => passed(String::new()),
        Some(wrong) => Err(format!("{wrong:?}").into()),
    }
}

/// Records missing, at the end and in the middle.
pub fn a_lost_record_is_convicted(_: &Settings) -> Result<Outcome, Failed> {
    let all = names();
    let lost =
        |lsn, last| Conviction::Lost { lsn, name: Name { of: 1, place: 0, ..all[lsn as usize - 1] }, last };
    expect("written, killed", verdict(&all[..4], Fate::Killed), &lost(7, 4))?;
    expect("durable, power cut", verdict(&all[..3], Fate::PowerCut), &lost(4, 3))?;
    expect("everything", verdict(&[], Fate::PowerCut), &lost(1, 0))?;
    let mut gap = found(&all);
    gap.records.remove(2);
    expect("a gap", history()?.check(&gap, Fate::Killed), &Conviction::Gap { lsn: 4, expected: 3 })?;
    let mut closed_up = all.clone();
    closed_up.remove(2);
    let misplaced = Conviction::Misplaced { lsn: 4, found: all[4], expected: all[3] };
    expect("a gap closed up", verdict(&closed_up, Fate::PowerCut), &misplaced)?;
    let mut delivered = history()?;
    delivered.feed(&Report::Delivered { lsn: 7 })?;
    let verdict = delivered.check(&found(&all[..4]), Fate::PowerCut);
    expect("delivered", verdict, &Conviction::LostDelivered { lsn: 7, last: 4 })?;
    let reopened = history()?.feed(&opened(LIFE + 1, 6)).map(|()| Checked::default());
    expect("at an opening", reopened, &lost(7, 6))?;
    passed(String::new())
}

/// Every bit of every record, and its kind.
pub fn an_altered_record_is_convicted(_: &Settings) -> Result<Outcome, Failed> {
    let found = found(&names());
    for (place, (lsn, _, payload)) in found.records.iter().enumerate() {
        for bit in 0..8 * payload.len() + 8 {
            let mut altered = found.clone();
            let (_, kind, bytes) = &mut altered.records[place];
            match bytes.get_mut(bit / 8) {
                Some(byte) => *byte ^= 1 << (bit % 8),
                None => *kind ^= 1 << (bit % 8),
            }
            let verdict = history()?.check(&altered, Fate::Killed);
            expect(&format!("bit {bit} of LSN {lsn}"), verdict, &Conviction::Altered { lsn: *lsn })?;
        }
    }
    passed(String::new())
}

/// Records that are whole, but not these, not here, or not yet.
pub fn a_record_out_of_place_is_convicted(_: &Settings) -> Result<Outcome, Failed> {
    let all = names();
    let with = |place: usize, name: Name| {
        let mut names = all.clone();
        names[place] = name;
        names
    };
    let never = Name::single(LIFE, 1, 5);
    let phantom = Conviction::Phantom { lsn: 8, name: never };
    expect("beyond what was tried", verdict(&with(7, never), Fate::Killed), &phantom)?;
    let stranger = Name::single(LIFE, 9, 1);
    let phantom = Conviction::Phantom { lsn: 3, name: stranger };
    expect("nobody's", verdict(&with(2, stranger), Fate::Killed), &phantom)?;
    let twice = Conviction::Disorder { lsn: 3, name: all[0], expected: 2 };
    expect("twice", verdict(&with(2, all[0]), Fate::Killed), &twice)?;
    let old = Name::single(LIFE - 1, 1, 2);
    let resurrected = Conviction::Resurrected { lsn: 3, name: old, owner: LIFE };
    expect("of an earlier life", verdict(&with(2, old), Fate::Killed), &resurrected)?;
    let misplaced = Conviction::Misplaced { lsn: 1, found: all[2], expected: all[0] };
    expect("where another was acknowledged", verdict(&with(0, all[2]), Fate::Killed), &misplaced)?;
    let again = history()?.feed(&acked(2, 2, 4, Durable)).map(|()| Checked::default());
    let twice = Conviction::AckedTwice { lsn: 4, one: all[3], other: Name::single(LIFE, 2, 2) };
    expect("one LSN for two", again, &twice)?;
    passed(String::new())
}

/// Batches without their end or their beginning.
pub fn a_split_batch_is_convicted(_: &Settings) -> Result<Outcome, Failed> {
    let all = names();
    let split = |lsn: u64| Conviction::Split { lsn, name: all[lsn as usize - 1] };
    expect("cut", verdict(&all[..6], Fate::PowerCut), &split(6))?;
    let interrupted = [&all[..5], &all[7..]].concat();
    expect("interrupted", verdict(&interrupted, Fate::PowerCut), &split(5))?;
    let mut headless = history()?;
    headless.feed(&Report::Cutting { lsn: 5 })?;
    let mut found = found(&all);
    found.oldest = 6;
    found.records.retain(|(lsn, ..)| *lsn >= 6);
    expect("without its head", headless.check(&found, Fate::Killed), &split(6))?;
    passed(String::new())
}

/// Segments given back that were needed.
pub fn a_record_recycled_too_early_is_convicted(_: &Settings) -> Result<Outcome, Failed> {
    let mut found = found(&names());
    found.oldest = 4;
    found.records.retain(|(lsn, ..)| *lsn >= 4);
    let with = |reports: &[Report]| {
        let mut history = history()?;
        reports.iter().try_for_each(|report| history.feed(report))?;
        history.check(&found, Fate::Killed)
    };
    let cutting = |lsn| Report::Cutting { lsn };
    let recycled = |needed| Conviction::Recycled { oldest: 4, needed };
    expect("no checkpoint", with(&[]), &recycled(1))?;
    expect("a lower checkpoint", with(&[cutting(2)]), &recycled(3))?;
    expect("a pin", with(&[Report::Pinned { lsn: 3 }, cutting(5)]), &recycled(3))?;
    with(&[cutting(3)])?;
    with(&[Report::Pinned { lsn: 3 }, Report::Unpinned, cutting(5)])?;
    passed(String::new())
}

/// Once found, a record stays, and what was not found stays away.
pub fn what_was_found_once_is_the_truth_from_then_on(_: &Settings) -> Result<Outcome, Failed> {
    let all = names();
    let next = Name::single(LIFE + 1, 1, 1);
    let with = |after: &[Name]| {
        let mut history = history()?;
        history.check(&found(&all[..7]), Fate::Killed)?;
        history.feed(&opened(LIFE + 1, 7))?;
        history.feed(&Report::Trying { writer: 1, last: 1 })?;
        history.check(&found(after), Fate::PowerCut)
    };
    with(&[&all[..7], &[next]].concat())?;
    let lost = Conviction::LostDelivered { lsn: 7, last: 4 };
    expect("lost after it was found", with(&all[..4]), &lost)?;
    let resurrected = Conviction::Resurrected { lsn: 8, name: all[7], owner: LIFE + 1 };
    expect("back from the dead", with(&all), &resurrected)?;
    passed(String::new())
}
