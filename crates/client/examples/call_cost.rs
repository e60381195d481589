//! What a request costs the client's thread: `cargo run --release -p quorate-client --example call_cost`.
//!
//! A node on another thread answers every put at once. CPU time is that of the client's thread alone
//! (`/proc/thread-self/schedstat`), so that the node's work does not count.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_client::{Client, ClientConfig, Options};
use quorate_transport::{Connection, Listener, Tcp, Transport, handshake};
use quorate_types::{Generation, NodeId, Refusal, SessionId, Timestamp, Version, WriteOutcome};
use quorate_wire::{FrameWriter, Message, RequestBody, Response, ResponseBody, Welcome, decode};

const REQUESTS: u64 = 2_000_000;

fn main() {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = Tcp::default().listen("127.0.0.1:0").await.expect("a free port");
            tell.send(listener.local_addr()).expect("the client waits for it");
            serve(listener).await;
        });
    });
    let addr = told.recv().expect("the node listens");
    for tasks in [1, 16, 64, 256, 1024] {
        runtime().block_on(measure(&addr, tasks));
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn measure(addr: &str, tasks: u64) {
    let client = Client::connect(ClientConfig::new([addr])).await.expect("the node answers");
    let each = if tasks < 16 { 20_000 } else { REQUESTS / tasks };
    let (cpu, wall) = (cpu_time(), Instant::now());
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..tasks {
        let client = client.clone();
        running.spawn(async move {
            let (key, value) = (Bytes::from_static(b"a-key-of-16-byte"), Bytes::from(vec![7; 100]));
            let options = Options::default();
            for _ in 0..each {
                client.put(key.clone(), value.clone(), &options).await.expect("written");
            }
        });
    }
    while running.join_next().await.is_some() {}
    let count = each * tasks;
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
    println!(
        "client/put/in_flight={tasks}: {} ns CPU per request, {:.0} k requests/s",
        cpu.as_nanos() as u64 / count,
        count as f64 / wall.as_secs_f64() / 1e3
    );
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|field| field.parse().ok())
        .expect("its first field is CPU time");
    Duration::from_nanos(nanos)
}

async fn serve(listener: Box<dyn Listener>) {
    let mut conversations = tokio::task::JoinSet::new();
    while let Ok(connection) = listener.accept().await {
        conversations.spawn(converse(connection));
    }
}

async fn converse(mut connection: Connection) -> Option<()> {
    handshake::receive_hello(&mut connection, Duration::from_secs(5)).await.ok()?;
    let welcome = Welcome {
        protocol: 1,
        node: NodeId(1),
        generation: Generation(1),
        shards: 1,
        ring_hash: 0,
        session: SessionId(1),
    };
    handshake::welcome(&connection, welcome).ok()?;
    let (mut frames, mut writer) = (Vec::new(), FrameWriter::default());
    loop {
        connection.source.recv(&mut frames).await.ok()?;
        for message in frames.drain(..).flat_map(decode) {
            let Ok(Message::Request(request)) = message else { return None };
            let version = Version::new(Timestamp(1), NodeId(1));
            let body = match request.body {
                RequestBody::Put { .. } => ResponseBody::Write(WriteOutcome::Written {
                    version,
                    expires_at_ms: None,
                    acked: 2,
                    required: 2,
                }),
                _ => ResponseBody::Refused(Refusal::Unsupported { what: "anything but a put".into() }),
            };
            writer.push(&Response { number: request.number, body, receipt: None }).ok()?;
        }
        connection.sink.try_send(writer.finish()).ok()?;
    }
}
