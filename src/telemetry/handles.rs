//! Handles of metrics, by name and labels.

use metrics::{Counter, Gauge, Histogram, Key, Label, Metadata, Recorder};
use metrics_exporter_prometheus::PrometheusRecorder;

const METADATA: Metadata<'static> = Metadata::new("caudal", metrics::Level::INFO, None);

fn key(name: &'static str, labels: &[(&'static str, String)]) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|(k, v)| Label::new(*k, v.clone()))
        .collect();
    Key::from_parts(name, labels)
}

pub(super) fn counter(
    r: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, String)],
) -> Counter {
    r.register_counter(&key(name, labels), &METADATA)
}

pub(super) fn gauge(
    r: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, String)],
) -> Gauge {
    r.register_gauge(&key(name, labels), &METADATA)
}

pub(super) fn histogram(
    r: &PrometheusRecorder,
    name: &'static str,
    labels: &[(&'static str, String)],
) -> Histogram {
    r.register_histogram(&key(name, labels), &METADATA)
}
