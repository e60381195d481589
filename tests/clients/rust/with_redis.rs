use std::time::Duration;

use futures_util::TryStreamExt;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncCommands, AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo,
    ScanOptions,
};

use crate::client::{Client, Outcome, address};

/// Nothing takes so long unless it is broken; its own half a second is short for a machine that compiles meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct RedisRs(MultiplexedConnection);

impl Client for RedisRs {
    const PACKAGE: &str = "redis";
    const WRONG_PASSWORD: &str = "Password authentication failed";

    async fn connect(door: &str, password: Option<&str>) -> Outcome<Self> {
        let (host, port) = address(door)?;
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = password {
            settings = settings.set_password(password);
        }
        let place = ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(settings);
        let patience = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let client = redis::Client::open(place)?;
        Ok(RedisRs(client.get_multiplexed_async_connection_with_config(&patience).await?))
    }

    async fn ping(&mut self) -> Outcome<String> {
        Ok(self.0.ping().await?)
    }

    async fn set(&mut self, key: &str, value: &[u8]) -> Outcome<()> {
        Ok(self.0.set(key, value).await?)
    }

    async fn set_for(&mut self, key: &str, value: &str, seconds: u32) -> Outcome<()> {
        Ok(self.0.set_ex(key, value, seconds.into()).await?)
    }

    async fn get(&mut self, key: &str) -> Outcome<Option<Vec<u8>>> {
        Ok(self.0.get(key).await?)
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
        Ok(self.0.expire(key, seconds.into()).await?)
    }

    async fn persist(&mut self, key: &str) -> Outcome<bool> {
        Ok(self.0.persist(key).await?)
    }

    async fn scan(&mut self, pattern: &str, page: u32) -> Outcome<Vec<String>> {
        let options = ScanOptions::default().with_pattern(pattern).with_count(usize::try_from(page)?);
        Ok(self.0.scan_options::<String>(options).await?.try_collect().await?)
    }

    async fn del(&mut self, keys: Vec<String>) -> Outcome<u64> {
        Ok(self.0.del(keys).await?)
    }

    async fn set_and_get_at_once(&mut self, key: &str, values: &[String]) -> Outcome<Vec<String>> {
        let mut batch = redis::pipe();
        for value in values {
            batch.set(key, value).ignore().get(key);
        }
        Ok(batch.query_async(&mut self.0).await?)
    }

    /// It has no method for it: the command is sent as it is.
    async fn quit(&mut self) -> Outcome<()> {
        Ok(redis::cmd("QUIT").query_async(&mut self.0).await?)
    }

    async fn lock(&mut self, key: &str) -> Outcome<bool> {
        Ok(self.0.set_nx(key, "v").await?)
    }

    async fn count(&mut self, key: &str) -> Outcome<i64> {
        Ok(self.0.incr(key, 1).await?)
    }

    async fn set_in_transaction(&mut self, key: &str) -> Outcome<()> {
        Ok(redis::pipe().atomic().set(key, "v").ignore().query_async(&mut self.0).await?)
    }
}
