//! Generators for tests.

use bytes::Bytes;
use proptest::prelude::*;
use quorate_types::{Expiry, NodeId, Record, Timestamp, Version};

pub(crate) fn versions() -> impl Strategy<Value = Version> {
    (0u64..6, 1u32..3).prop_map(|(t, n)| Version::new(Timestamp(t), NodeId(n)))
}

pub(crate) fn records() -> impl Strategy<Value = Record> {
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from));
    (versions(), value, prop::option::of(versions()), prop::option::of(0u64..3)).prop_map(
        |(version, value, expiry, at_ms)| {
            let expiry = Expiry { version: expiry.unwrap_or(version), at_ms };
            Record { version, value, expiry }
        },
    )
}
