//! The file that describes the interface, held against the routes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Bench, admin};
use crate::feed::NodeEvent;
use crate::routes;

fn document() -> Value {
    serde_json::from_slice(include_bytes!("../../openapi.json")).unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<String> = document()["paths"].as_object().unwrap().keys().cloned().collect();
    let routed: BTreeSet<String> = routes::table()
        .iter()
        .chain(&routes::admin_table())
        .map(|(path, _)| path.trim_end_matches('/').replace("{*key}", "{key}"))
        .collect();
    assert_eq!(described, routed);
}

#[tokio::test(start_paused = true)]
async fn every_path_offers_exactly_the_methods_that_are_described() {
    let (clients, operators) = (Bench::new(), admin::bench(Err(String::new())).0);
    for (path, item) in document()["paths"].as_object().unwrap() {
        let bench = if path.contains("/admin/") { &operators } else { &clients };
        let reply = bench.send(&format!("PATCH {}", path.replace("{key}", "k")), "", "").await;
        assert_eq!(reply.status, 405, "{path}");
        let allowed: BTreeSet<String> =
            reply.header("allow").unwrap().split(',').map(|name| name.trim().to_lowercase()).collect();
        let mut described: BTreeSet<String> = item.as_object().unwrap().keys().cloned().collect();
        if described.contains("get") {
            described.insert("head".to_owned());
        }
        assert_eq!(allowed, described, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_parameters_that_are_described_are_known_and_no_others() {
    let document = document();
    let (clients, operators) = (Bench::new(), admin::bench(Err(String::new())).0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let bench = if path.contains("/admin/") { &operators } else { &clients };
        for (method, operation) in item.as_object().unwrap() {
            let Some(parameters) = operation["parameters"].as_array() else { continue };
            let line = format!("{} {}?nobody=1", method.to_uppercase(), path.replace("{key}", "k"));
            let refused = bench.send(&line, "content-type: application/json", "{}").await;
            assert_eq!(refused.problem().0, "unknown-parameter", "{line}");
            let names = parameters.iter().map(|parameter| match parameter["$ref"].as_str() {
                Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
                None => parameter,
            });
            for parameter in names.filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().unwrap();
                assert!(refused.text().contains(name), "{line}: {name} is described and not known");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_is_served() {
    let bench = Bench::new();
    let served = bench.send("GET /openapi.json", "", "").await;
    assert_eq!((served.status, serde_json::from_slice::<Value>(&served.body).unwrap()), (200, document()));
}

#[test]
fn every_kind_of_event_is_described_and_nothing_else() {
    let document = document();
    let described: BTreeSet<&str> = document["components"]["schemas"]["Event"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["properties"]["type"]["const"].as_str().unwrap())
        .collect();
    let of_the_stream = ["hello", "gap", "cut-off"];
    assert_eq!(described, NodeEvent::KINDS.into_iter().chain(of_the_stream).collect());
}
