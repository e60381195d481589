//! Replies of commands whose answers are there, in the order of the commands.

use bytes::BytesMut;
use quorate_types::Now;
use quorate_wire::{NodeStatus, ResponseBody};

use super::Connection;
use crate::effects::{Counts, Effects};
use crate::encode::Writer;
use crate::info;
use crate::order::Mode;
use crate::own;
use crate::part::Part;
use crate::pending::{Before, Entry, Many, StatusReply, Together, Work};
use crate::session::Past;
use crate::settings::Settings;
use crate::{Proto, outcome};

impl Connection {
    /// Writes the replies that are due, as far as there is room for them.
    pub(super) fn settle(&mut self, effects: &mut Effects) {
        let Connection { settings, past, pending, room, output, now, .. } = self;
        let mut replies = Replies { settings, past, output, now: *now };
        while replies.output.len() < settings.limits.output_pause_bytes {
            let Some(entry) = pending.oldest_done() else { return };
            replies.remember(&entry.work, &mut effects.counts);
            if !entry.muted {
                replies.write(entry);
            }
            room.let_go(entry.work.held_bytes());
            pending.pop();
        }
    }
}

/// What replies are made of, and where they go.
struct Replies<'a> {
    settings: &'a Settings,
    past: &'a mut Past,
    output: &'a mut BytesMut,
    now: Now,
}

impl Replies<'_> {
    /// What later commands may ask for.
    fn remember(&mut self, work: &Work, counts: &mut Counts) {
        match work {
            Work::One(part) => {
                counts.of(part);
                if part.mode == Mode::Write {
                    self.past.acked = part.acked();
                }
            }
            Work::Many(many) => {
                many.parts.iter().for_each(|part| counts.of(part));
                if many.is_too_large() {
                    counts.errors += 1;
                    counts.replies_too_large += 1;
                }
                if many.parts.iter().any(|part| part.mode == Mode::Write) {
                    self.past.acked = many.parts.iter().map(Part::acked).min().flatten();
                }
            }
            Work::Scan(scan) => counts.errors += u64::from(scan.failed()),
            _ => {}
        }
    }

    fn write(&mut self, entry: &Entry) {
        match &entry.work {
            Work::Ready(reply) | Work::Told(_, Some(reply)) => self.output.extend_from_slice(reply),
            Work::One(part) => {
                part.reply(&self.settings.about, self.now.wall_ms, &mut writer(self.output, entry.proto));
            }
            Work::Many(many) if many.is_too_large() => {
                let error = too_large(self.settings.limits.output_bytes_max);
                writer(self.output, entry.proto).error(&error);
            }
            Work::Many(many) => write_many(many, &mut writer(self.output, entry.proto)),
            Work::Scan(scan) => scan.reply(&mut writer(self.output, entry.proto)),
            Work::Before(Before::Acked) => {
                // The first copy is what Redis calls the master: it is not counted.
                let beside = self.past.acked.map_or(0, |acked| acked.saturating_sub(1));
                writer(self.output, entry.proto).integer(i64::from(beside));
            }
            Work::Before(Before::Receipt) => {
                let mut w = writer(self.output, entry.proto);
                match &self.past.receipt {
                    Some(receipt) => own::receipt(receipt, &self.settings.about, &mut w),
                    None => w.null(),
                }
            }
            Work::Status(reply, Some(answer)) => self.write_status(reply, answer, entry.proto),
            Work::Told(_, None) | Work::Status(_, None) => {}
        }
    }

    fn write_status(&mut self, reply: &StatusReply, answer: &ResponseBody, proto: Proto) {
        let ResponseBody::Status(status) = answer else {
            let error = outcome::error(answer);
            let error = error.unwrap_or_else(|| "ERR the node did not say how it is".to_owned());
            return writer(self.output, proto).error(&error);
        };
        match reply {
            StatusReply::DbSize => {
                let keys = self.estimated_keys(status);
                writer(self.output, proto).count(keys);
            }
            StatusReply::Info(sections) => {
                let looked = self.past.looked.replace((info::commands(status), self.now.wall_ms));
                let since = looked.unwrap_or((0, self.now.wall_ms.saturating_sub(status.uptime_ms)));
                let view = info::View {
                    about: &self.settings.about,
                    mode: self.settings.mode(),
                    status,
                    wall_ms: self.now.wall_ms,
                    since,
                    keys: self.estimated_keys(status),
                };
                let text = view.text(sections);
                writer(self.output, proto).verbatim(&text);
            }
        }
    }

    /// About how many keys the keyspace has, from what this node holds of it.
    fn estimated_keys(&self, status: &NodeStatus) -> u64 {
        let held = self.settings.about.partitions_held as u64;
        let keyspace = status.keyspaces.iter().find(|keyspace| keyspace.id == self.settings.keyspace);
        let copies = keyspace.map_or(0, |keyspace| keyspace.keys);
        (copies * quorate_types::PARTITIONS as u64).checked_div(held).unwrap_or(0)
    }
}

fn writer(output: &mut BytesMut, proto: Proto) -> Writer<'_> {
    Writer::new(output, proto)
}

impl Counts {
    fn of(&mut self, part: &Part) {
        match part.hit() {
            Some(true) => self.hits += 1,
            Some(false) => self.misses += 1,
            None => self.errors += u64::from(part.error().is_some()),
        }
    }
}

fn too_large(max: usize) -> String {
    format!(
        "ERR the reply would have more than {max} bytes (resp.output_bytes_max): nothing of it is sent. Ask for fewer keys"
    )
}

fn write_many(many: &Many, w: &mut Writer<'_>) {
    if let Some(error) = failed(many) {
        return w.error(&error);
    }
    match many.together {
        Together::Values => {
            w.array(many.parts.len());
            for part in &many.parts {
                w.bulk_or_null(part.value().map(|value| &value[..]));
            }
        }
        Together::Count => w.integer(many.parts.iter().map(Part::count).sum()),
        Together::Written => w.status("OK"),
    }
}

/// Keys that an error names.
const NAMED_MAX: usize = 8;

/// Why the command failed, if it did. Of several writes some may have been made: then the error names those that were
/// not, under a code that no client retries by itself.
fn failed(many: &Many) -> Option<String> {
    let errors: Vec<(&Part, String)> =
        many.parts.iter().filter_map(|part| Some((part, part.error()?))).collect();
    let (_, first) = errors.first()?;
    let writes = many.parts.iter().any(|part| part.mode == Mode::Write);
    let nothing_written =
        errors.len() == many.parts.len() && errors.iter().all(|(_, why)| outcome::is_unsent(why));
    if !writes || nothing_written || many.parts.len() == 1 {
        return Some(first.clone());
    }
    let named: Vec<String> =
        errors.iter().take(NAMED_MAX).map(|(part, _)| format!("'{}'", part.key().escape_ascii())).collect();
    let more = if errors.len() > NAMED_MAX { ", …" } else { "" };
    Some(format!(
        "PARTIAL {} of {} keys were written; not, or not for sure: {}{more}: {first}",
        many.parts.len() - errors.len(),
        many.parts.len(),
        named.join(", "),
    ))
}
