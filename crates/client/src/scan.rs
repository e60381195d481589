//! A walk over all live records of a keyspace.
//!
//! Invariants:
//! - the order is that of (token, key), whatever order the pages arrive in;
//! - a walk that goes on from a cursor, in another process or after an error, gives each record that was there all
//!   the time, once;
//! - at most `ahead` pages are under way or waiting to be taken.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_types::{PARTITIONS, PartitionId, Record};
use tokio::task::JoinHandle;

use crate::client::{Page, PageRequest};
use crate::{Client, ClientError, Options, Reply};

/// How to walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOptions {
    /// Where to begin; `None`: at the first record.
    pub from: Option<Cursor>,
    /// Most records of a page.
    pub page_limit: u32,
    /// Partitions asked for at one time.
    pub ahead: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        ScanOptions { from: None, page_limit: 1000, ahead: 16 }
    }
}

/// A place between two records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The partition.
    pub partition: PartitionId,
    /// Behind this key; `None`: before the first of the partition.
    pub after: Option<Bytes>,
}

/// Records, and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage {
    /// In the order of (token, key).
    pub entries: Vec<(Bytes, Record)>,
    /// What comes behind them; `None`: nothing does.
    pub next: Option<Cursor>,
}

/// A page that was asked for, and where it begins.
type Asked = (Cursor, JoinHandle<Result<Reply<Page>, ClientError>>);

/// The walk.
pub struct Scan {
    client: Client,
    options: Options,
    page_limit: u32,
    ahead: usize,
    /// The next partition that is not yet asked for.
    next: usize,
    under_way: VecDeque<Asked>,
}

impl Scan {
    pub(crate) fn new(client: Client, scan: ScanOptions, options: Options) -> Scan {
        let ScanOptions { from, page_limit, ahead } = scan;
        let from = from.unwrap_or(Cursor { partition: PartitionId(0), after: None });
        let mut walk = Scan {
            client,
            options,
            page_limit: page_limit.max(1),
            ahead: ahead.max(1),
            next: usize::from(from.partition.0) + 1,
            under_way: VecDeque::new(),
        };
        let first = walk.asked(from);
        walk.under_way.push_back(first);
        walk
    }

    /// The next records, which may be none although more follow; `None` at the end.
    ///
    /// After an error the same page is asked for again.
    pub async fn next(&mut self) -> Option<Result<ScanPage, ClientError>> {
        self.look_ahead();
        let (cursor, page) = self.under_way.pop_front()?;
        let page = match page.await {
            Ok(Ok(reply)) => reply.value,
            Ok(Err(error)) => {
                let again = self.asked(cursor);
                self.under_way.push_front(again);
                return Some(Err(error));
            }
            Err(_) => return None,
        };
        if let Some(after) = page.next {
            let rest = self.asked(Cursor { partition: cursor.partition, after: Some(after) });
            self.under_way.push_front(rest);
        }
        Some(Ok(ScanPage { entries: page.entries, next: self.cursor() }))
    }

    /// Where the walk stands.
    pub fn cursor(&self) -> Option<Cursor> {
        let not_asked = || {
            (self.next < PARTITIONS).then(|| Cursor { partition: PartitionId(self.next as u16), after: None })
        };
        self.under_way.front().map(|(cursor, _)| cursor.clone()).or_else(not_asked)
    }

    fn look_ahead(&mut self) {
        while self.under_way.len() < self.ahead && self.next < PARTITIONS {
            let next = self.asked(Cursor { partition: PartitionId(self.next as u16), after: None });
            self.under_way.push_back(next);
            self.next += 1;
        }
    }

    fn asked(&self, cursor: Cursor) -> Asked {
        let request =
            PageRequest { partition: cursor.partition, after: cursor.after.clone(), limit: self.page_limit };
        let (client, options) = (self.client.clone(), self.options.clone());
        (cursor, tokio::spawn(async move { client.page(request, &options).await }))
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.under_way.iter().for_each(|(_, page)| page.abort());
    }
}
