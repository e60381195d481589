//! A scene as OpenMetrics text.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as OpenMetricsUnit};

use super::scene::{Sample, Scene, Value};
use super::table::{Kind, Metric, Unit, table};

/// `scene` by the table. A metric without samples is left out.
pub(crate) fn exposition(scene: Scene) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposed(scene)));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("a String takes everything");
    out
}

#[derive(Debug)]
struct Exposed(Scene);

impl Collector for Exposed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in table() {
            let samples = metric.samples(&self.0);
            if !samples.is_empty() {
                encode(&metric, samples, &mut encoder)?;
            }
        }
        Ok(())
    }
}

fn encode(metric: &Metric, samples: Vec<Sample>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = match metric.unit {
        Unit::None => None,
        Unit::Seconds => Some(OpenMetricsUnit::Seconds),
        Unit::Bytes => Some(OpenMetricsUnit::Bytes),
    };
    // The encoder puts the unit behind the name by itself.
    let name = metric.name.strip_suffix(metric.unit.word()).unwrap_or(&metric.name).trim_end_matches('_');
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    let mut family = encoder.encode_descriptor(name, metric.help, unit.as_ref(), kind)?;
    for Sample { labels, value } in samples {
        let labels: Vec<(&str, String)> = metric.labels.iter().copied().zip(labels).collect();
        if metric.kind == Kind::Info {
            family.encode_info(&labels)?;
        } else if labels.is_empty() {
            encode_value(metric.kind, &value, &mut family)?;
        } else {
            encode_value(metric.kind, &value, &mut family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn encode_value(kind: Kind, value: &Value, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(value)) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
        (Kind::Counter, Value::Real(value)) => encoder.encode_counter::<NoLabelSet, _, f64>(value, None),
        (_, Value::Whole(value)) => encoder.encode_gauge(value),
        (_, Value::Real(value)) => encoder.encode_gauge(value),
        (_, Value::Histogram { sum, buckets }) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
