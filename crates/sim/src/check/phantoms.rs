//! No value out of thin air, and one version for each write.
//!
//! Whatever a read or a look at a replica shows was written: by an operation on this key that had begun, that was not
//! answered by a plain *no*, under the version that it was told, with the expiry that it was told. Where a write was
//! told no version, its value names it; then no two versions may show the same write.
//!
//! Source: invariant 1 of A0 (every level); Jepsen's "garbage reads"; a retry that was stamped anew (Quorate's own
//! prototype) shows as one write under two versions.

use std::collections::BTreeMap;

use quorate_types::{Mono, Version};

use super::KeyCheck;
use super::judge::{Invariant, Judge, Verdict};
use super::register::{Register, Write};
use crate::history::{Held, Initial, Value};

pub(super) struct Phantoms {
    judge: Judge,
}

impl Phantoms {
    pub(super) fn new() -> Phantoms {
        Phantoms { judge: Judge::new(Invariant::Phantoms) }
    }
}

/// Something that was seen.
struct Shown<'a> {
    op: Option<usize>,
    at: Mono,
    version: Version,
    /// The value; `None`: a tombstone, or something expired that was not shown.
    value: Option<&'a Value>,
    held: Option<&'a Held>,
    tombstone: bool,
}

/// The writes of a key, by what can be known of them.
struct Known<'a, 'b> {
    by_version: BTreeMap<Version, &'b Write<'a>>,
    /// Those that were told no version and may exist, by the hash of their value.
    untold: BTreeMap<Option<u64>, Vec<&'b Write<'a>>>,
    /// The versions that untold writes were seen under.
    seen: BTreeMap<Option<u64>, Vec<Version>>,
}

impl KeyCheck for Phantoms {
    fn look(&mut self, register: &Register<'_>) {
        let key = Some(register.key);
        let mut known = Known { by_version: BTreeMap::new(), untold: BTreeMap::new(), seen: BTreeMap::new() };
        for write in &register.writes {
            if let Some(other) = write.other_version {
                self.judge.violated(key, &[write.op], || {
                    format!("#{} was told two versions, one of them {other}", register.id(write.op))
                });
            }
            if let Some(version) = write.version() {
                if let Some(before) = known.by_version.insert(version, write) {
                    self.judge.violated(key, &[before.op, write.op], || {
                        let (a, b) = (register.id(before.op), register.id(write.op));
                        format!("#{a} and #{b} have one version, {version}")
                    });
                }
            } else if write.may_exist {
                known.untold.entry(write.value.map(Value::hash)).or_default().push(write);
            }
        }
        for shown in shown(register) {
            self.judge.looked(1);
            self.judge_one(register, &mut known, &shown);
        }
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.judge.verdict()
    }
}

impl Phantoms {
    fn judge_one(&mut self, register: &Register<'_>, known: &mut Known<'_, '_>, shown: &Shown<'_>) {
        let key = Some(register.key);
        let ops = |write: Option<usize>| shown.op.into_iter().chain(write).collect::<Vec<usize>>();
        let who = || shown.op.map_or_else(|| "a replica".to_owned(), |op| format!("#{}", register.id(op)));
        if let Some(write) = known.by_version.get(&shown.version) {
            if let Some(wrong) = contradiction(write, shown) {
                self.judge.violated(key, &ops(Some(write.op)), || {
                    format!("{} shows {} of #{}, {wrong}", who(), shown.version, register.id(write.op))
                });
            }
            return;
        }
        if register.history.header().initial == Initial::Unknown {
            self.judge.note(
                "versions that nobody was told may be of before the recording, and are taken as they are",
            );
            return;
        }
        if !shown.tombstone && shown.held.is_none() {
            // It has expired, and its value was not shown.
            if !register.writes.iter().any(|write| write.expires && write.may_exist) {
                self.judge.violated(key, &ops(None), || {
                    format!(
                        "{} shows an expired {}, and nobody wrote a value that expires",
                        who(),
                        shown.version
                    )
                });
            }
            return;
        }
        let mark = shown.value.map(Value::hash);
        let candidates = known.untold.get(&mark).map_or(&[][..], Vec::as_slice);
        let able = candidates.partition_point(|write| write.begun <= shown.at);
        let seen = known.seen.entry(mark).or_default();
        if !seen.contains(&shown.version) && able > 0 {
            seen.push(shown.version);
        }
        if able == 0 {
            self.nobody(register, shown, &who());
        } else if seen.len() > candidates.len() {
            let write = candidates[0].op;
            self.judge.violated(key, &ops(Some(write)), || {
                let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
                format!("the write #{} shows under several versions: {}", register.id(write), seen.join(", "))
            });
        }
    }

    fn nobody(&mut self, register: &Register<'_>, shown: &Shown<'_>, who: &str) {
        let wrote = register.writes.iter().find(|write| write.value == shown.value);
        let ops: Vec<usize> = shown.op.into_iter().chain(wrote.map(|write| write.op)).collect();
        self.judge.violated(Some(register.key), &ops, || {
            let what = shown.value.map_or_else(|| "a deletion".to_owned(), ToString::to_string);
            let why = match wrote {
                Some(write) if !write.may_exist => {
                    format!("whose write, #{}, was refused", register.id(write.op))
                }
                Some(Write { version: Some((version, _)), op, .. }) => {
                    format!("whose write, #{}, has version {version}", register.id(*op))
                }
                Some(write) => format!("whose write, #{}, began later", register.id(write.op)),
                None => "which nobody wrote".to_owned(),
            };
            format!("{who} shows {what} as {}, {why}", shown.version)
        });
    }
}

/// What is wrong with `shown`, if it is said to be of `write`.
fn contradiction(write: &Write<'_>, shown: &Shown<'_>) -> Option<String> {
    if shown.at < write.begun {
        return Some("which had not begun".to_owned());
    }
    if shown.tombstone && write.value.is_some() {
        return Some("which is no deletion".to_owned());
    }
    if !shown.tombstone && write.value.is_none() {
        return Some("which is a deletion".to_owned());
    }
    let Some(held) = shown.held.filter(|held| held.value.is_some()) else {
        return (!shown.tombstone && !write.expires).then(|| "expired, which it never does".to_owned());
    };
    if held.value.as_ref() != write.value {
        let other = held.value.as_ref().map_or_else(String::new, ToString::to_string);
        return Some(format!("with another value: {other}"));
    }
    let own_expiry = held.expiry_version.is_none();
    let told = write.expiry.filter(|told| own_expiry && told.at_ms != held.expires_at_ms);
    let never = own_expiry && !write.expires && held.expires_at_ms.is_some();
    (told.is_some() || never).then(|| format!("with another expiry: {:?}", held.expires_at_ms))
}

fn shown<'a, 'b>(register: &'b Register<'a>) -> impl Iterator<Item = Shown<'a>> + 'b {
    let sights = register.sights.iter().filter_map(|sight| {
        let tombstone = sight.by == super::register::By::Tombstone;
        let value = sight.held.and_then(|held| held.value.as_ref());
        let (op, at, held) = (Some(sight.op), sight.at, sight.held);
        Some(Shown { op, at, version: sight.version?, value, held, tombstone })
    });
    let copies = register.copies.iter().filter_map(|copy| {
        let held = copy.held.as_ref()?;
        let (version, value) = (held.version, held.value.as_ref());
        Some(Shown { op: None, at: copy.at, version, value, held: Some(held), tombstone: value.is_none() })
    });
    sights.chain(copies)
}
