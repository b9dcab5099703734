//! What `/metrics` says of every metric.

use metrics::{KeyName, Recorder, Unit};
use metrics_exporter_prometheus::PrometheusRecorder;

/// What each metric counts, for its HELP line.
const COUNTERS: &[(&str, &str)] = &[
    ("caudal_requests_total", "Requests answered."),
    (
        "caudal_sent_bytes_total",
        "Body bytes handed to viewers' connections.",
    ),
    (
        "caudal_cache_evictions_total",
        "Blocks evicted or refused for want of room.",
    ),
    (
        "caudal_cache_coalesced_total",
        "Requests that followed another one's storage read.",
    ),
    (
        "caudal_cache_misses_total",
        "Answers that needed storage, by why.",
    ),
    ("caudal_fills_total", "Fills, by how they ended."),
    (
        "caudal_fill_resumes_total",
        "Broken storage bodies read on from where they broke.",
    ),
    (
        "caudal_storage_requests_total",
        "Storage requests, by how they ended.",
    ),
    (
        "caudal_storage_retries_total",
        "Storage requests tried again.",
    ),
    (
        "caudal_storage_received_bytes_total",
        "Body bytes received from storage.",
    ),
    (
        "caudal_access_decisions_total",
        "Requests let in (granted) or refused, by why.",
    ),
    (
        "caudal_access_loads_total",
        "Times that keys, lists and databases of access were read again, by how it went.",
    ),
    (
        "caudal_config_loads_total",
        "Times that the configuration was read again, by how it went.",
    ),
    (
        "caudal_tls_loads_total",
        "Times that certificates and their keys were read again, by how it went.",
    ),
    (
        "caudal_tls_handshakes_total",
        "TLS handshakes, by version and how they ended: full, resumed, agreed (QUIC, either), issuer (ACME), or why not.",
    ),
    (
        "caudal_certificate_orders_total",
        "Orders of certificates from ACME issuers, by how they ended.",
    ),
    (
        "caudal_cmcd_requests_total",
        "Requests whose player says something of its playback (CMCD).",
    ),
    (
        "caudal_cmcd_starved_total",
        "Of these, those whose player had run out of data since the one before.",
    ),
    ("caudal_connections_total", "Connections accepted."),
    (
        "caudal_connections_closed_total",
        "Connections that ended early, by why.",
    ),
    (
        "caudal_upgrades_failed_total",
        "Processes that were started to take over, and did not: this one served on.",
    ),
    (
        "caudal_access_log_dropped_total",
        "Log lines dropped as the writer could not keep up.",
    ),
];

const GAUGES: &[(&str, &str)] = &[
    (
        "caudal_connections_limit",
        "Connections that may be open at once (server.max_connections).",
    ),
    (
        "caudal_requests_in_flight",
        "Requests whose body has not ended.",
    ),
    (
        "caudal_cache_bytes",
        "Bytes charged to blocks: full, in flight, or still being sent.",
    ),
    (
        "caudal_cache_budget_bytes",
        "The most caudal_cache_bytes may be.",
    ),
    (
        "caudal_cache_arena_bytes",
        "The part of caudal_cache_bytes that is sent without a copy.",
    ),
    ("caudal_cache_blocks", "Full blocks held."),
    (
        "caudal_cache_versions",
        "Versions known, absences included.",
    ),
    ("caudal_fills_in_flight", "Fills running now."),
    (
        "caudal_storage_ready",
        "Whether the storage can serve: 1 or 0.",
    ),
    (
        "caudal_storage_credentials_expire_timestamp_seconds",
        "When the credentials in use expire, in Unix time; absent where they do not.",
    ),
    (
        "caudal_access_loaded_timestamp_seconds",
        "When keys, lists and databases of access were last read, in Unix time.",
    ),
    (
        "caudal_tls_loaded_timestamp_seconds",
        "When certificates and their keys were last read, in Unix time.",
    ),
    (
        "caudal_certificate_expires_timestamp_seconds",
        "When the certificate in use ends to be valid, in Unix time.",
    ),
    (
        "caudal_config_loaded_timestamp_seconds",
        "When the configuration in use was read, in Unix time.",
    ),
    ("caudal_connections_open", "Connections open now."),
    (
        "caudal_build_info",
        "Always 1; the label tells the version.",
    ),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    (
        "caudal_request_duration_seconds",
        "From the request's head to the end of its body.",
    ),
    (
        "caudal_first_byte_seconds",
        "From the request's head to the head of the answer.",
    ),
    (
        "caudal_storage_first_byte_seconds",
        "From a storage request to the head of its answer.",
    ),
    (
        "caudal_tls_handshake_seconds",
        "From the acceptance of a connection to the end of its TLS handshake.",
    ),
    (
        "caudal_cmcd_startup_seconds",
        "From a player's first request to the end of its first media segment.",
    ),
    (
        "caudal_cmcd_buffer_seconds",
        "What players have buffered, at every request that says it.",
    ),
];

const RATES: &[(&str, &str)] = &[
    (
        "caudal_cmcd_throughput_bits_per_second",
        "The throughput that players measure, at every request that says it.",
    ),
    (
        "caudal_cmcd_bitrate_bits_per_second",
        "The bitrate of the picture that players ask for.",
    ),
];

/// Tells all of them.
pub(super) fn describe(recorder: &PrometheusRecorder) {
    for &(name, text) in COUNTERS {
        let name = KeyName::from_const_str(name);
        recorder.describe_counter(name, Some(Unit::Count), text.into());
    }
    for &(name, text) in GAUGES {
        recorder.describe_gauge(KeyName::from_const_str(name), None, text.into());
    }
    for (unit, histograms) in [(Unit::Seconds, HISTOGRAMS), (Unit::BitsPerSecond, RATES)] {
        for &(name, text) in histograms {
            let name = KeyName::from_const_str(name);
            recorder.describe_histogram(name, Some(unit), text.into());
        }
    }
    metrics::with_local_recorder(recorder, || {
        metrics_process::Collector::default().describe()
    });
}
