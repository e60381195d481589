//! What every client for Rust is asked: named cases, one line of output for each. See ../main.rs.

mod client;
mod with_fred;
mod with_redis;
mod with_rustis;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use crate::client::{Client, Outcome};

const CASES: [&str; 13] = [
    "connect",
    "set",
    "get",
    "mget",
    "expire",
    "scan",
    "pipeline",
    "password",
    "wrong_password",
    "quit",
    "refused_lock",
    "refused_counter",
    "refused_transaction",
];

const WRONG: &str = "not-the-password";

/// What our caller says by the environment.
struct Asked {
    door: String,
    locked: String,
    password: String,
    prefix: String,
}

impl Asked {
    fn read() -> Outcome<Asked> {
        let [door, locked, password, prefix] = ["DOOR", "LOCKED", "PASSWORD", "PREFIX"]
            .map(|name| env::var(name).map_err(|why| format!("{name}: {why}")));
        Ok(Asked { door: door?, locked: locked?, password: password?, prefix: prefix? })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let hello = arguments.get(1).is_some_and(|word| word == "hello");
    let outcome = match arguments.first().map(String::as_str) {
        Some("fred") => run::<with_fred::Fred>(hello).await,
        Some("redis-rs") => run::<with_redis::RedisRs>(hello).await,
        Some("rustis") => run::<with_rustis::Rustis>(hello).await,
        other => Err(format!("there is no client {other:?}").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

async fn run<C: Client>(hello: bool) -> Outcome<()> {
    let asked = Asked::read()?;
    println!("version {}", version(C::PACKAGE));
    if hello {
        return greet::<C>(&asked).await;
    }
    for case in CASES {
        match attempt::<C>(case, &asked).await {
            Ok(()) => println!("ok {case}"),
            Err(why) => println!("FAILED {case}: {}", why.to_string().replace('\n', " ")),
        }
    }
    Ok(())
}

/// The version that `package` is built from.
fn version(package: &str) -> &'static str {
    let mut lines = include_str!("Cargo.lock").lines();
    let name = format!("name = \"{package}\"");
    lines.find(|line| *line == name);
    lines.next().and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"')).unwrap_or("?")
}

async fn greet<C: Client>(asked: &Asked) -> Outcome<()> {
    let mut c = C::connect(&asked.door, None).await?;
    let greeting = asked.key("greeting");
    c.set(&greeting, b"hello").await?;
    expect(c.get(&greeting).await?, Some(b"hello".to_vec()))
}

async fn attempt<C: Client>(case: &str, asked: &Asked) -> Outcome<()> {
    match case {
        "password" => return with_password::<C>(asked).await,
        "wrong_password" => return with_wrong_password::<C>(asked).await,
        _ => {}
    }
    let mut c = C::connect(&asked.door, None).await?;
    let k = asked.key("k");
    match case {
        "connect" => expect(c.ping().await?, "PONG".to_owned()),
        "set" => c.set(&k, &all_bytes()).await,
        "get" => {
            expect(c.get(&k).await?, Some(all_bytes()))?;
            expect(c.get(&asked.key("nobody")).await?, None)
        }
        "mget" => mget(&mut c, asked).await,
        "expire" => expire(&mut c, &k).await,
        "scan" => scan(&mut c, asked).await,
        "pipeline" => {
            let numbers: Vec<String> = (0..100).map(|number: u8| number.to_string()).collect();
            expect(c.set_and_get_at_once(&k, &numbers).await?, numbers)
        }
        "quit" => c.quit().await,
        "refused_lock" => expect_error("compare-and-set", c.lock(&k).await),
        "refused_counter" => expect_error("compare-and-set", c.count(&k).await),
        "refused_transaction" => {
            expect_error("is not offered: commands on several keys", c.set_in_transaction(&k).await)
        }
        _ => Err("it is asked nothing".into()),
    }
}

async fn with_password<C: Client>(asked: &Asked) -> Outcome<()> {
    let mut c = C::connect(&asked.locked, Some(&asked.password)).await?;
    c.set(&asked.key("k"), b"v").await
}

async fn with_wrong_password<C: Client>(asked: &Asked) -> Outcome<()> {
    let k = asked.key("k");
    for (password, words) in [(Some(WRONG), C::WRONG_PASSWORD), (None, "NOAUTH")] {
        // Some authenticate at once, some when they are used.
        let found = match C::connect(&asked.locked, password).await {
            Ok(mut c) => c.get(&k).await,
            Err(why) => Err(why),
        };
        expect_error(words, found)?;
    }
    Ok(())
}

async fn mget<C: Client>(c: &mut C, asked: &Asked) -> Outcome<()> {
    let [a, b, nobody] = ["a", "b", "nobody"].map(|name| asked.key(name));
    c.mset(&[(&a, "1"), (&b, "2")]).await?;
    expect(c.mget(&[&a, &nobody, &b]).await?, vec![Some("1".to_owned()), None, Some("2".to_owned())])
}

async fn expire<C: Client>(c: &mut C, k: &str) -> Outcome<()> {
    c.set_for(k, "v", 100).await?;
    expect_within(c.ttl(k).await?, 1..=100)?;
    expect(c.expire(k, 1000).await?, true)?;
    expect_within(c.ttl(k).await?, 101..=1000)?;
    expect(c.persist(k).await?, true)?;
    expect(c.ttl(k).await?, -1)
}

async fn scan<C: Client>(c: &mut C, asked: &Asked) -> Outcome<()> {
    let keys: BTreeSet<String> = (0..25).map(|number| asked.key(&format!("scan:{number}"))).collect();
    for key in &keys {
        c.set(key, b"v").await?;
    }
    let found = c.scan(&asked.key("scan:*"), 10).await?;
    expect(found.into_iter().collect(), keys.clone())?;
    expect(c.del(keys.into_iter().collect()).await?, 25)
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

fn expect<T: PartialEq + Debug>(found: T, wanted: T) -> Outcome<()> {
    if found == wanted { Ok(()) } else { Err(format!("{found:?} instead of {wanted:?}").into()) }
}

fn expect_within(found: i64, wanted: RangeInclusive<i64>) -> Outcome<()> {
    if wanted.contains(&found) { Ok(()) } else { Err(format!("{found} is not within {wanted:?}").into()) }
}

fn expect_error<T>(words: &str, found: Outcome<T>) -> Outcome<()> {
    match found {
        Ok(_) => Err("no error".into()),
        Err(why) if why.to_string().contains(words) => Ok(()),
        Err(why) => Err(format!("the error does not say {words:?}: {why}").into()),
    }
}
