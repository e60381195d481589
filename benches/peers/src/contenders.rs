//! Who takes part where.

use crate::contender::Contender;

mod fjall;
mod okaywal;
mod open_wal;
mod ours;
mod plain;
mod wal_db;
mod walogs;

pub use self::fjall::Fjall;
pub use self::okaywal::OkayWal;
pub use self::open_wal::{OpenWal, OpenWalQueue};
pub use self::ours::{OURS, Ours};
pub use self::plain::{BARE, NAIVE, Plain};
pub use self::wal_db::WalDb;
pub use self::walogs::Walogs;

/// Contenders in the order in which they are printed.
pub type Field = Vec<Box<dyn Contender>>;

/// Every adapter there is.
pub fn everyone() -> Field {
    let mut field = durable();
    field.push(Box::new(Ours::reading_ahead()));
    field.push(Box::new(WalDb::strict()));
    field
}

/// Those who are damaged.
pub fn damaged() -> Field {
    vec![
        Box::new(Ours::plain()),
        Box::new(WalDb::file()),
        Box::new(WalDb::strict()),
        Box::new(OpenWal),
        Box::new(Walogs),
        Box::new(OkayWal),
        Box::new(Fjall),
    ]
}

/// Those who append.
pub fn durable() -> Field {
    vec![
        Box::new(Ours::plain()),
        Box::new(Plain::bare()),
        Box::new(Plain::naive()),
        Box::new(OkayWal),
        Box::new(WalDb::file()),
        Box::new(WalDb::segmented()),
        Box::new(OpenWal),
        Box::new(OpenWalQueue),
        Box::new(Walogs),
        Box::new(Fjall),
    ]
}

/// Those who buffer: one way each.
pub fn buffered() -> Field {
    vec![
        Box::new(Ours::plain()),
        Box::new(Plain::bare()),
        Box::new(OkayWal),
        Box::new(WalDb::file()),
        Box::new(OpenWal),
        Box::new(Walogs),
        Box::new(Fjall),
    ]
}

/// Those who replay: one way each, ours in every way it has.
pub fn replayed() -> Field {
    let mut field = buffered();
    field.insert(1, Box::new(Ours::reading_ahead()));
    field
}

/// The contender of that name.
pub fn named(name: &str) -> Option<Box<dyn Contender>> {
    everyone().into_iter().find(|contender| contender.name() == name)
}
