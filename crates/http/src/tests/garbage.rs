//! Whatever comes: an answer or a closed connection, never a panic, and the door goes on.

use proptest::prelude::*;
use tokio::runtime::Builder;

use super::{Bench, Reply};

fn run<T>(future: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(future)
}

/// Bytes that HTTP knows, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET ",
        "PUT ",
        "/api/v1/store/",
        "/api/v1/store",
        "?key=",
        "?key64=",
        "%",
        "%ff",
        "&level=",
        " HTTP/1.1\r\n",
        "\r\n",
        "\r\n\r\n",
        "host: h\r\n",
        "content-length: 5\r\n",
        "content-length: -1\r\n",
        "transfer-encoding: chunked\r\n",
        "ffffffffffffffff\r\n",
        "accept: ;q=,\r\n",
        "content-type: application/json\r\n",
        "x-kv-context: ",
        "if-none-match: \"\r\n",
        "{\"key\":",
        "\u{0}",
        "expect: 100-continue\r\n",
        "upgrade: h2c\r\n",
    ]);
    let piece = prop_oneof![
        3 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_end_in_an_answer_or_a_closed_connection(bytes in pieces()) {
        run(async {
            let bench = Bench::new();
            bench.exchange(&bytes).await;
            prop_assert_eq!(bench.send("GET /health/live", "", "").await.status, 200);
            Ok(())
        })?;
    }

    #[test]
    fn any_path_query_header_and_body_is_answered_with_a_status_of_the_table(
        path in prop::collection::vec(0x21_u8..0x7f, 0..60),
        query in prop::collection::vec(0x21_u8..0x7f, 0..60),
        accept in prop::collection::vec(0x21_u8..=0xff, 0..30),
        context in prop::collection::vec(0x21_u8..0x7f, 0..50),
        body in prop::collection::vec(any::<u8>(), 0..200),
        json in any::<bool>(),
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS"]),
    ) {
        run(async {
            let bench = Bench::new();
            let clean = |bytes: &[u8]| bytes.iter().copied().filter(|b| !b"#?\x7f".contains(b)).collect::<Vec<u8>>();
            let mut head = format!("{method} /api/v1/store/").into_bytes();
            head.extend(clean(&path));
            head.push(b'?');
            head.extend(clean(&query));
            head.extend(b" HTTP/1.1\r\nhost: h\r\nconnection: close\r\naccept: ");
            head.extend(clean(&accept));
            head.extend(b"\r\nx-kv-context: ");
            head.extend(clean(&context));
            if json {
                head.extend(b"\r\ncontent-type: application/json");
            }
            head.extend(format!("\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
            head.extend(&body);
            let reply = Reply::parse(&bench.exchange(&head).await);
            prop_assert!(
                [200, 201, 204, 400, 404, 405, 406, 415, 503].contains(&reply.status),
                "{} for {}", reply.status, head.escape_ascii()
            );
            Ok(())
        })?;
    }

    #[test]
    fn a_key_of_any_bytes_is_found_again_by_path_and_by_base64(key in prop::collection::vec(any::<u8>(), 1..80)) {
        use base64::Engine as _;
        run(async {
            let bench = Bench::new();
            let path = key.iter().fold(String::new(), |path, byte| path + &format!("%{byte:02x}"));
            let put = bench.send(&format!("PUT /api/v1/store/{path}"), "", "v").await;
            prop_assert_eq!(put.status, 201);
            let text = crate::key::BASE64URL.encode(&key);
            let got = bench.send(&format!("GET /api/v1/store?key64={text}"), "", "").await;
            prop_assert_eq!((got.status, got.text()), (200, r#"{"message":"found","value":"v"}"#));
            Ok(())
        })?;
    }
}
