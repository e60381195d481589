//! The log from outside: its promises under crashes, damage, threads and strange bytes.

mod oracle;
