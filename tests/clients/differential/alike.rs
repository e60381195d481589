//! Replies that differ and yet say the same kind of thing.

use std::collections::{BTreeMap, BTreeSet};

use crate::reply::Reply;

use super::connection::Command;

pub fn same_type(_: &Command, ours: &Reply, theirs: &Reply) -> bool {
    !matches!(ours, Reply::Error(_)) && std::mem::discriminant(ours) == std::mem::discriminant(theirs)
}

/// A cursor and a page.
pub fn same_shape(ours: &Reply, theirs: &Reply) -> bool {
    let parts = |reply: &Reply| match reply {
        Reply::Array(parts) => matches!(&parts[..], [Reply::Bulk(_), Reply::Array(_)]),
        _ => false,
    };
    parts(ours) && parts(theirs)
}

/// Some memory; Redis also counts what has expired until somebody reads it.
pub fn same_memory(_: &Command, ours: &Reply, theirs: &Reply) -> bool {
    match (ours, theirs) {
        (Reply::Integer(ours), Reply::Integer(theirs)) => *ours > 0 && *theirs > 0,
        (Reply::Null | Reply::NullBulk, Reply::Integer(_)) => true,
        _ => false,
    }
}

/// The same settings of those that were asked for by name; of a pattern, some of them.
pub fn same_settings(command: &Command, ours: &Reply, theirs: &Reply) -> bool {
    let (Some(ours), Some(theirs)) = (pairs(ours), pairs(theirs)) else { return false };
    let names = |pairs: &BTreeMap<String, Reply>| pairs.keys().cloned().collect::<BTreeSet<_>>();
    let (ours, theirs) = (names(&ours), names(&theirs));
    if command.0.iter().any(|word| word.contains(&b'*')) { ours.is_subset(&theirs) } else { ours == theirs }
}

/// No field that Redis does not have (those of 7.2 aside), and the same name and database.
pub fn same_client_info(_: &Command, ours: &Reply, theirs: &Reply) -> bool {
    let fields = |reply: &Reply| -> BTreeMap<String, String> {
        let words = reply.text().unwrap_or_default().split_whitespace();
        words.filter_map(|word| word.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let (our_fields, their_fields) = (fields(ours), fields(theirs));
    let of_7_2 = ["lib-name", "lib-ver"];
    let known = |name: &String| their_fields.contains_key(name) || of_7_2.contains(&name.as_str());
    same_type(&Command::of(&[]), ours, theirs)
        && our_fields.keys().all(known)
        && ["name", "db"].iter().all(|name| our_fields.get(*name) == their_fields.get(*name))
}

/// The same commands, with the same arity and the same positions of keys; of all commands, any.
pub fn same_commands(command: &Command, ours: &Reply, theirs: &Reply) -> bool {
    const FIRM: [usize; 5] = [0, 1, 3, 4, 5];
    let (Reply::Array(ours), Reply::Array(theirs)) = (ours, theirs) else { return false };
    let alike = |(ours, theirs): (&Reply, &Reply)| match (ours, theirs) {
        (Reply::Array(ours), Reply::Array(theirs)) => {
            FIRM.iter().all(|at| ours.get(*at).is_some() && ours.get(*at) == theirs.get(*at))
        }
        (ours, theirs) => ours == theirs,
    };
    command.0.len() == 2 || (ours.len() == theirs.len() && ours.iter().zip(theirs).all(alike))
}

/// The same commands, since when and of which group; of all commands, any.
pub fn same_docs(command: &Command, ours: &Reply, theirs: &Reply) -> bool {
    let (Some(ours), Some(theirs)) = (pairs(ours), pairs(theirs)) else { return false };
    let alike = |(name, our_doc): (&String, &Reply)| {
        let (Some(ours), Some(theirs)) = (pairs(our_doc), theirs.get(name).and_then(pairs)) else {
            return false;
        };
        ["since", "group"]
            .iter()
            .all(|field| ours.contains_key(*field) && ours.get(*field) == theirs.get(*field))
    };
    command.0.len() == 2 || (ours.len() == theirs.len() && ours.iter().all(alike))
}

/// A map, in either version of the protocol.
fn pairs(reply: &Reply) -> Option<BTreeMap<String, Reply>> {
    let named = |name: &Reply, value: &Reply| Some((name.text()?.to_owned(), value.clone()));
    match reply {
        Reply::Map(pairs) => pairs.iter().map(|(name, value)| named(name, value)).collect(),
        Reply::Array(flat) => flat.chunks_exact(2).map(|pair| named(&pair[0], &pair[1])).collect(),
        _ => None,
    }
}
