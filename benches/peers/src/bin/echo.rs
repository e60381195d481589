//! What the loop costs without a store: a hash map behind PING, SET and GET on one thread of tokio. The yardstick for the
//! door for Redis clients; it understands what `redis-benchmark` sends and nothing else.
//!
//! `echo ADDRESS` serves until it is killed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const BUFFER_BYTES: usize = 64 << 10;

type Map = Rc<RefCell<HashMap<Vec<u8>, Vec<u8>>>>;

fn main() -> Result<()> {
    let address = std::env::args().nth(1).context("echo ADDRESS, as 127.0.0.1:7799")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    LocalSet::new().block_on(&runtime, serve(&address))
}

async fn serve(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let map = Map::default();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let map = Rc::clone(&map);
        tokio::task::spawn_local(async move {
            if let Err(failure) = talk(stream, &map).await {
                eprintln!("a connection ended: {failure}");
            }
        });
    }
}

async fn talk(mut stream: TcpStream, map: &Map) -> Result<()> {
    let (mut input, mut begin) = (Vec::with_capacity(BUFFER_BYTES), 0);
    let mut output = Vec::with_capacity(BUFFER_BYTES);
    while stream.read_buf(&mut input).await? > 0 {
        while let Some((command, bytes)) = parse(&input[begin..])? {
            answer(&command, map, &mut output)?;
            begin += bytes;
        }
        input.drain(..begin);
        begin = 0;
        stream.write_all(&output).await?;
        output.clear();
    }
    Ok(())
}

/// One command of at most three words, and its length; `None`: it is not all there.
fn parse(input: &[u8]) -> Result<Option<([&[u8]; 3], usize)>> {
    let Some((count, mut at)) = number(input, 0, b'*')? else { return Ok(None) };
    let mut words = [&input[..0]; 3];
    for word in 0..count {
        let Some((length, begin)) = number(input, at, b'$')? else { return Ok(None) };
        let end = begin + length;
        if input.len() < end + 2 {
            return Ok(None);
        }
        *words.get_mut(word).context("more than three words")? = &input[begin..end];
        at = end + 2;
    }
    Ok(Some((words, at)))
}

/// The number of a line that begins with `mark` at `at`, and where the next line begins.
fn number(input: &[u8], at: usize, mark: u8) -> Result<Option<(usize, usize)>> {
    let Some(line) = input.get(at..).filter(|line| !line.is_empty()) else { return Ok(None) };
    if line[0] != mark {
        bail!("{:?} where {:?} belongs", char::from(line[0]), char::from(mark));
    }
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let digits = line[1..end].iter().filter(|byte| byte.is_ascii_digit());
    let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Ok(Some((number, at + end + 1)))
}

fn answer(command: &[&[u8]; 3], map: &Map, output: &mut Vec<u8>) -> Result<()> {
    match command[0] {
        b"SET" => {
            map.borrow_mut().insert(command[1].to_vec(), command[2].to_vec());
            output.extend_from_slice(b"+OK\r\n");
        }
        b"GET" => match map.borrow().get(command[1]) {
            Some(value) => {
                output.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                output.extend_from_slice(value);
                output.extend_from_slice(b"\r\n");
            }
            None => output.extend_from_slice(b"$-1\r\n"),
        },
        b"PING" | b"ping" => output.extend_from_slice(b"+PONG\r\n"),
        // What it asks before it begins.
        b"CONFIG" | b"COMMAND" => output.extend_from_slice(b"*0\r\n"),
        other => bail!("{:?} is not understood", String::from_utf8_lossy(other)),
    }
    Ok(())
}
