"""The processes and the machines under them."""

from asks import HERE, quantile, rate, total
from panels import assemble, graph, query, stat, table

DAY = 86400


def dashboard() -> dict:
    says = "The processes and the machines under them: CPU, memory, connections, handshakes, what was loaded."
    return assemble("caudal-nodes", "caudal / nodes", says, [figures(), machine(), process(), handshakes(), loads(), lists()])


def figures() -> list:
    ends = f"min (caudal_certificate_expires_timestamp_seconds{{{HERE}}}) - time()"
    return [
        (4, stat("Processes", "Processes that answer Prometheus.", f"sum (up{{{HERE}}})", unit="short",
                 alert="CaudalInstanceDown")),
        (4, stat("Youngest", "How long the process has run that started last.",
                 f"time() - max (process_start_time_seconds{{{HERE}}})",
                 unit="s", steps=[(None, "yellow"), (3600, "green")], alert="CaudalRestarts")),
        (4, stat("CPU", "Cores that all processes keep busy.", rate("process_cpu_seconds_total"), unit="none")),
        (4, stat("Memory", "Resident memory of all processes.", total("process_resident_memory_bytes"), unit="bytes",
                 alert="CaudalMemoryOverBudget")),
        (4, stat("Connections", "Connections that are open.", total("caudal_connections_open"), unit="short",
                 alert="CaudalConnectionsNearCap")),
        (4, stat("Certificates end in", "The certificate nearest to its end.", ends, unit="s",
                 steps=[(None, "red"), (3 * DAY, "yellow"), (21 * DAY, "green")], alert="CaudalCertificateExpires")),
    ]  # fmt: skip


def machine() -> list:
    busy = "1 - avg by (instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[$__rate_interval]))"
    return [
        (8, graph("CPU of machines", "The share of all cores that is busy. From node-exporter, all machines that Prometheus "
                  "knows.", query(busy, "{{instance}}"), unit="percentunit", most=1)),
        (8, graph(
            "Network of machines", "Bits a second that left and came. The card is what a media server fills first.",
            query('8 * sum by (instance) (rate(node_network_transmit_bytes_total[$__rate_interval]))', "{{instance}} out"),
            query('8 * sum by (instance) (rate(node_network_receive_bytes_total[$__rate_interval]))', "{{instance}} in"),
            unit="bps",
        )),
        (8, graph("Memory of machines", "The share that is available to programs.",
                  query("node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "{{instance}}"),
                  unit="percentunit", most=1, alert="CaudalMemoryOverBudget")),
    ]  # fmt: skip


def process() -> list:
    return [
        (8, graph("CPU of processes", "Cores that each keeps busy.",
                  query(rate("process_cpu_seconds_total", "instance"), "{{instance}}"), unit="none")),
        (8, graph(
            "Memory of processes", "Resident memory, and what blocks may take of it. Connections and buffers come on top.",
            query(total("process_resident_memory_bytes", "instance"), "{{instance}}"),
            query(total("caudal_cache_budget_bytes", "instance"), "{{instance}}, blocks at most"),
            unit="bytes", alert="CaudalMemoryOverBudget",
        )),
        (8, graph(
            "Descriptors and threads", "Open descriptors, which the system limits, and threads.",
            query(f"process_open_fds{{{HERE}}}", "{{instance}} descriptors"),
            query(f"process_threads{{{HERE}}}", "{{instance}} threads"), unit="short", alert="CaudalDescriptorsNearLimit",
        )),
    ]  # fmt: skip


def handshakes() -> list:
    return [
        (8, graph("Connections", "Connections accepted, and those that ended early, by why.",
                  query(rate("caudal_connections_total"), "accepted"),
                  query(rate("caudal_connections_closed_total", "reason"), "{{reason}}"), unit="ops",
                  alert="CaudalConnectionsNearCap")),
        (8, graph("Handshakes by outcome", "full or resumed, with the version of TLS; else why not.",
                  query(rate("caudal_tls_handshakes_total", "listener, version, outcome"),
                        "{{listener}} {{version}} {{outcome}}"), unit="ops", alert="CaudalHandshakesFail")),
        (8, graph("Handshakes, p95", "From the acceptance of a connection to the end of its handshake: mostly the way to the "
                  "client.", query(quantile(0.95, "caudal_tls_handshake_seconds", "listener"), "{{listener}}"), unit="s")),
    ]  # fmt: skip


def loads() -> list:
    def both(metric: str, what: str) -> dict:
        return query(f"sum by (outcome) (increase({metric}{{{HERE}}}[$__rate_interval]))", f"{what} {{{{outcome}}}}")

    return [
        (12, graph(
            "Read again", "Configurations, certificates and access lists that were read again, and those that could not be.",
            both("caudal_config_loads_total", "configuration"), both("caudal_tls_loads_total", "certificates"),
            both("caudal_access_loads_total", "access"), unit="none", alert="CaudalConfigRefused",
        )),
        (12, graph("Log lines dropped", "Whoever reads the access log is too slow.",
                   query(rate("caudal_access_log_dropped_total", "instance"), "{{instance}}"), unit="ops",
                   alert="CaudalAccessLogDrops")),
    ]  # fmt: skip


def lists() -> list:
    return [
        (12, table("Versions", "What runs where.", f"caudal_build_info{{{HERE}}}",
                   columns={"instance": "Instance", "version": "Version"}, unit="none", alert="CaudalVersionsDiffer")),
        (12, table(
            "Certificates", "How long each is still valid.",
            f"min by (certificate) (caudal_certificate_expires_timestamp_seconds{{{HERE}}}) - time()",
            columns={"certificate": "Certificate"}, value="Ends in", unit="s", alert="CaudalCertificateExpires",
        )),
    ]  # fmt: skip
