//! The replies of our own commands: maps that say what Redis has no words for.

use quorate_types::{ReadOutcome, ReadRepair, Receipt, WriteOutcome};
use quorate_wire::{CopyView, Explanation};

use crate::encode::Writer;
use crate::settings::About;

/// `KV.PUT … META`, `KV.DEL … META`.
pub(crate) fn written(outcome: &WriteOutcome, w: &mut Writer<'_>) {
    let WriteOutcome::Written { version, expires_at_ms, acked, required } = outcome else { return w.null() };
    w.map(4);
    text(w, "version", &version.to_string());
    number(w, "acked", i64::from(*acked));
    number(w, "required", i64::from(*required));
    optional(w, "expires_at_ms", *expires_at_ms);
}

/// `KV.GET … META`.
pub(crate) fn read(outcome: &ReadOutcome, w: &mut Writer<'_>) {
    match outcome {
        ReadOutcome::Found { record } => {
            w.map(4);
            text(w, "result", "found");
            w.bulk(b"value");
            w.bulk(record.value.as_deref().unwrap_or_default());
            text(w, "version", &record.version.to_string());
            optional(w, "expires_at_ms", record.expiry.at_ms);
        }
        ReadOutcome::Deleted { version } => {
            w.map(2);
            text(w, "result", "deleted");
            text(w, "version", &version.to_string());
        }
        ReadOutcome::NotFound { expired: Some(version) } => {
            w.map(2);
            text(w, "result", "expired");
            text(w, "version", &version.to_string());
        }
        _ => {
            w.map(1);
            text(w, "result", "not found");
        }
    }
}

/// `KV.EXPLAIN`.
pub(crate) fn explained(explanation: &Explanation, about: &About, w: &mut Writer<'_>) {
    w.map(5);
    text(w, "token", &format!("{:016x}", explanation.token.0));
    number(w, "partition", i64::from(explanation.partition.0));
    number(w, "n", i64::from(explanation.n));
    w.bulk(b"newest");
    match explanation.winner {
        Some(version) => w.bulk(version.to_string().as_bytes()),
        None => w.null(),
    }
    w.bulk(b"replicas");
    w.array(explanation.replicas.len());
    for replica in &explanation.replicas {
        w.map(5);
        text(w, "node", &about.named(replica.node));
        text(w, "alive", if replica.alive { "yes" } else { "no" });
        text(w, "copy", &copy(&replica.copy));
        number(w, "elapsed_us", i64::from(replica.elapsed_us));
        w.bulk(b"hints_here");
        w.count(replica.hints_here);
    }
}

fn copy(copy: &CopyView) -> String {
    match copy {
        CopyView::Present { version, expiry, value_bytes } => {
            let expires =
                expiry.at_ms.map_or(String::new(), |at| format!(", expires at {at} ({})", expiry.version));
            format!("present {version}, {value_bytes} bytes{expires}")
        }
        CopyView::Tombstone { version } => format!("deleted {version}"),
        CopyView::Absent => "absent".to_owned(),
        CopyView::Refused(why) => format!("refused: {why}"),
        CopyView::Silent => "silent".to_owned(),
    }
}

/// `KV.RECEIPT`.
pub(crate) fn receipt(receipt: &Receipt, about: &About, w: &mut Writer<'_>) {
    w.map(6);
    text(w, "coordinator", &about.named(receipt.coordinator));
    w.bulk(b"replicas");
    w.array(receipt.replicas.len());
    receipt.replicas.iter().for_each(|node| w.bulk(about.named(*node).as_bytes()));
    w.bulk(b"answered");
    w.array(receipt.answered.len());
    for timing in &receipt.answered {
        w.bulk(format!("{} {}us", about.named(timing.node), timing.elapsed_us).as_bytes());
    }
    w.bulk(b"hinted");
    w.array(receipt.hinted.len());
    receipt.hinted.iter().for_each(|node| w.bulk(about.named(*node).as_bytes()));
    w.bulk(b"refused");
    w.array(receipt.refused.len());
    receipt.refused.iter().for_each(|(node, why)| w.bulk(format!("{} {why}", about.named(*node)).as_bytes()));
    w.bulk(b"repaired");
    let repaired = if let ReadRepair::Blocking(nodes) = &receipt.repair { &nodes[..] } else { &[] };
    w.array(repaired.len());
    for node in repaired {
        w.bulk(about.named(*node).as_bytes());
    }
}

fn text(w: &mut Writer<'_>, name: &str, value: &str) {
    w.bulk(name.as_bytes());
    w.bulk(value.as_bytes());
}

fn number(w: &mut Writer<'_>, name: &str, value: i64) {
    w.bulk(name.as_bytes());
    w.integer(value);
}

fn optional(w: &mut Writer<'_>, name: &str, value: Option<u64>) {
    w.bulk(name.as_bytes());
    match value {
        Some(value) => w.integer(i64::try_from(value).unwrap_or(i64::MAX)),
        None => w.null(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use quorate_types::NodeId;

    use super::*;
    use crate::Proto;

    #[test]
    fn nodes_are_named_as_the_configuration_names_them() {
        let names = [(NodeId(1), "n1".to_owned()), (NodeId(2), "n2".to_owned())].into();
        let about = About { names, ..About::default() };
        let told = Receipt {
            coordinator: NodeId(1),
            replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
            hinted: vec![NodeId(2)],
            queried: Vec::new(),
            answered: Vec::new(),
            refused: Vec::new(),
            repair: ReadRepair::default(),
        };
        let mut out = BytesMut::new();
        receipt(&told, &about, &mut Writer::new(&mut out, Proto::Resp3));
        let out = String::from_utf8(out.to_vec()).unwrap();
        assert!(out.contains("coordinator\r\n$11\r\nn1 00000001\r\n"), "{out}");
        assert!(out.contains("hinted\r\n*1\r\n$11\r\nn2 00000002\r\n"), "{out}");
        assert!(out.contains("$8\r\n00000003\r\n"), "whom nobody knows by name has a number: {out}");
    }
}
