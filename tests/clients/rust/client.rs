//! What a client does, which each says in words of its own.

use std::error::Error;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// See the module.
pub trait Client: Sized {
    /// The package that it comes in.
    const PACKAGE: &str;

    /// What it makes of `WRONGPASS`.
    const WRONG_PASSWORD: &str = "WRONGPASS";

    async fn connect(door: &str, password: Option<&str>) -> Outcome<Self>;

    async fn ping(&mut self) -> Outcome<String>;

    async fn set(&mut self, key: &str, value: &[u8]) -> Outcome<()>;

    async fn set_for(&mut self, key: &str, value: &str, seconds: u32) -> Outcome<()>;

    async fn get(&mut self, key: &str) -> Outcome<Option<Vec<u8>>>;

    async fn mset(&mut self, pairs: &[(&str, &str)]) -> Outcome<()>;

    async fn mget(&mut self, keys: &[&str]) -> Outcome<Vec<Option<String>>>;

    async fn ttl(&mut self, key: &str) -> Outcome<i64>;

    async fn expire(&mut self, key: &str, seconds: u32) -> Outcome<bool>;

    async fn persist(&mut self, key: &str) -> Outcome<bool>;

    /// All keys that match `pattern`, in pages of about `page`; some perhaps twice.
    async fn scan(&mut self, pattern: &str, page: u32) -> Outcome<Vec<String>>;

    /// How many of `keys` there were.
    async fn del(&mut self, keys: Vec<String>) -> Outcome<u64>;

    /// One pipeline: `key` is set to each of `values` and read; what was read.
    async fn set_and_get_at_once(&mut self, key: &str, values: &[String]) -> Outcome<Vec<String>>;

    async fn quit(&mut self) -> Outcome<()>;

    /// Sets `key` if there is none.
    async fn lock(&mut self, key: &str) -> Outcome<bool>;

    async fn count(&mut self, key: &str) -> Outcome<i64>;

    async fn set_in_transaction(&mut self, key: &str) -> Outcome<()>;
}

/// Host and port.
pub fn address(door: &str) -> Outcome<(String, u16)> {
    let (host, port) = door.rsplit_once(':').ok_or_else(|| format!("{door} has no port"))?;
    Ok((host.to_owned(), port.parse()?))
}
