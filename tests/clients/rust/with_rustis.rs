use rustis::client::{BatchPreparedCommand, Config, ServerConfig};
use rustis::commands::{
    ConnectionCommands, GenericCommands, ScanOptions, SetCondition, SetExpiration, StringCommands,
};
use rustis::resp::{BulkString, cmd};

use crate::client::{Client, Outcome, address};

pub struct Rustis(rustis::client::Client);

impl Client for Rustis {
    const PACKAGE: &str = "rustis";

    async fn connect(door: &str, password: Option<&str>) -> Outcome<Self> {
        let (host, port) = address(door)?;
        let mut config = Config::default();
        config.server = ServerConfig::Standalone { host, port };
        config.password = password.map(str::to_owned);
        Ok(Rustis(rustis::client::Client::connect(config).await?))
    }

    async fn ping(&mut self) -> Outcome<String> {
        Ok(self.0.ping(()).await?)
    }

    async fn set(&mut self, key: &str, value: &[u8]) -> Outcome<()> {
        Ok(self.0.set(key, BulkString::new(value)).await?)
    }

    async fn set_for(&mut self, key: &str, value: &str, seconds: u32) -> Outcome<()> {
        let expiry = SetExpiration::Ex(seconds.into());
        if self.0.set_with_options(key, value, None, expiry).await? {
            Ok(())
        } else {
            Err("it was not set".into())
        }
    }

    async fn get(&mut self, key: &str) -> Outcome<Option<Vec<u8>>> {
        Ok(self.0.get::<Option<BulkString>>(key).await?.map(Vec::from))
    }

    async fn mset(&mut self, pairs: &[(&str, &str)]) -> Outcome<()> {
        Ok(self.0.mset(pairs).await?)
    }

    async fn mget(&mut self, keys: &[&str]) -> Outcome<Vec<Option<String>>> {
        Ok(self.0.mget(keys).await?)
    }

    async fn ttl(&mut self, key: &str) -> Outcome<i64> {
        Ok(self.0.ttl(key).await?)
    }

    async fn expire(&mut self, key: &str, seconds: u32) -> Outcome<bool> {
        Ok(self.0.expire(key, seconds.into(), None).await?)
    }

    async fn persist(&mut self, key: &str) -> Outcome<bool> {
        Ok(self.0.persist(key).await?)
    }

    async fn scan(&mut self, pattern: &str, page: u32) -> Outcome<Vec<String>> {
        let (mut cursor, mut found) = (0, Vec::new());
        loop {
            let options = ScanOptions::default().match_pattern(pattern).count(page);
            let (next, keys): (u64, Vec<String>) = self.0.scan(cursor, options).await?;
            found.extend(keys);
            if next == 0 {
                return Ok(found);
            }
            cursor = next;
        }
    }

    async fn del(&mut self, keys: Vec<String>) -> Outcome<u64> {
        Ok(u64::try_from(self.0.del(keys).await?)?)
    }

    async fn set_and_get_at_once(&mut self, key: &str, values: &[String]) -> Outcome<Vec<String>> {
        let mut batch = self.0.create_pipeline();
        for value in values {
            batch.set(key, value).forget();
            batch.get::<String>(key).queue();
        }
        Ok(batch.execute().await?)
    }

    /// It has no method for it: the command is sent as it is.
    async fn quit(&mut self) -> Outcome<()> {
        Ok(self.0.send(cmd("QUIT"), None).await?)
    }

    async fn lock(&mut self, key: &str) -> Outcome<bool> {
        Ok(self.0.set_with_options(key, "v", SetCondition::NX, None).await?)
    }

    async fn count(&mut self, key: &str) -> Outcome<i64> {
        Ok(self.0.incr(key).await?)
    }

    async fn set_in_transaction(&mut self, key: &str) -> Outcome<()> {
        let mut batch = self.0.create_transaction();
        batch.set(key, "v").queue();
        Ok(batch.execute().await?)
    }
}
