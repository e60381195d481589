use fred::prelude::{
    ClientLike, Config, Expiration, KeysInterface, ServerConfig, SetOptions, TransactionInterface,
};
use futures_util::TryStreamExt;

use crate::client::{Client, Outcome, address};

pub struct Fred(fred::clients::Client);

impl Client for Fred {
    const PACKAGE: &str = "fred";

    async fn connect(door: &str, password: Option<&str>) -> Outcome<Self> {
        let (host, port) = address(door)?;
        let server = ServerConfig::new_centralized(host, port);
        let config = Config { server, password: password.map(str::to_owned), ..Config::default() };
        let client = fred::clients::Client::new(config, None, None, None);
        client.init().await?;
        Ok(Fred(client))
    }

    async fn ping(&mut self) -> Outcome<String> {
        Ok(self.0.ping(None).await?)
    }

    async fn set(&mut self, key: &str, value: &[u8]) -> Outcome<()> {
        Ok(self.0.set(key, value, None, None, false).await?)
    }

    async fn set_for(&mut self, key: &str, value: &str, seconds: u32) -> Outcome<()> {
        Ok(self.0.set(key, value, Some(Expiration::EX(seconds.into())), None, false).await?)
    }

    async fn get(&mut self, key: &str) -> Outcome<Option<Vec<u8>>> {
        Ok(self.0.get(key).await?)
    }

    async fn mset(&mut self, pairs: &[(&str, &str)]) -> Outcome<()> {
        Ok(self.0.mset(pairs.to_vec()).await?)
    }

    async fn mget(&mut self, keys: &[&str]) -> Outcome<Vec<Option<String>>> {
        Ok(self.0.mget(keys.to_vec()).await?)
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
        let keys = self.0.scan_buffered(pattern, Some(page), None);
        Ok(keys.map_ok(|key| key.as_str_lossy().into_owned()).try_collect().await?)
    }

    async fn del(&mut self, keys: Vec<String>) -> Outcome<u64> {
        Ok(self.0.del(keys).await?)
    }

    async fn set_and_get_at_once(&mut self, key: &str, values: &[String]) -> Outcome<Vec<String>> {
        let batch = self.0.pipeline();
        for value in values {
            let () = batch.set(key, value, None, None, false).await?;
            let () = batch.get(key).await?;
        }
        let replies: Vec<String> = batch.all().await?;
        Ok(replies.into_iter().skip(1).step_by(2).collect())
    }

    async fn quit(&mut self) -> Outcome<()> {
        Ok(self.0.quit().await?)
    }

    async fn lock(&mut self, key: &str) -> Outcome<bool> {
        Ok(self.0.set(key, "v", None, Some(SetOptions::NX), false).await?)
    }

    async fn count(&mut self, key: &str) -> Outcome<i64> {
        Ok(self.0.incr(key).await?)
    }

    async fn set_in_transaction(&mut self, key: &str) -> Outcome<()> {
        let batch = self.0.multi();
        let () = batch.set(key, "v", None, None, false).await?;
        Ok(batch.exec(true).await?)
    }
}
