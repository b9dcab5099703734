"""What the cache spares storage, and what it costs in memory."""

from asks import ROUTED, quantile, rate, total
from panels import GOOD_IS_HIGH, assemble, graph, query, stat


def dashboard() -> dict:
    says = "What the cache spares storage and viewers, why it misses, and whether its memory suffices."
    rows = [figures(), answers(), misses(), memory()]
    return assemble("caudal-cache", "caudal / cache", says, rows, route=True)


def figures() -> list:
    waited_for_nobody = rate("caudal_requests_total", more='cache=~"hit|stale|stale_on_error"', chosen=ROUTED)
    asked = rate("caudal_requests_total", more='cache!="bypass"', chosen=ROUTED)
    spared = f"1 - {rate('caudal_storage_received_bytes_total')} / {rate('caudal_sent_bytes_total')}"
    return [
        (4, stat(
            "Hit ratio", "Of the answers that asked the cache, those that waited for nobody.",
            f"{waited_for_nobody} / {asked}", unit="percentunit", steps=GOOD_IS_HIGH, alert="CaudalHitRatioLow",
        )),
        (4, stat(
            "Bytes spared", "Of the bytes sent to viewers, those that were not read from storage for it.",
            spared, unit="percentunit", steps=GOOD_IS_HIGH, alert="CaudalHitRatioLow",
        )),
        (4, stat(
            "Memory in use", "Bytes charged to blocks over the most they may be. 75 % is a full cache: a quarter is kept "
            "for fills.", f"{total('caudal_cache_bytes')} / {total('caudal_cache_budget_bytes')}",
            unit="percentunit", steps=[(None, "green"), (0.9, "yellow"), (0.97, "red")], alert="CaudalCacheMemoryExhausted",
        )),
        (4, stat("Blocks", "Full blocks held, 1 MiB each unless cache.block says otherwise.",
                 total("caudal_cache_blocks"), unit="short")),
        (4, stat("Versions", "Assets that something is known of, absences included.",
                 total("caudal_cache_versions"), unit="short")),
        (4, stat("Fills under way", "Reads from storage that fill blocks now.", total("caudal_fills_in_flight"), unit="short")),
    ]  # fmt: skip


def answers() -> list:
    shares = f"{rate('caudal_requests_total', 'cache', chosen=ROUTED)} / ignoring (cache) group_left () " + rate(
        "caudal_requests_total", chosen=ROUTED
    )
    return [
        (12, graph(
            "Answers by cache", "hit: from memory. stale: from memory, while storage is asked. stale_on_error: because storage "
            "fails. revalidated: storage said unchanged. partial: some blocks were here. miss: none. bypass: not asked.",
            query(shares, "{{cache}}"), unit="percentunit", stack=True, most=1, alert="CaudalHitRatioLow",
        )),
        (12, graph(
            "First byte by cache, p95", "What a viewer waits, by how the cache came by the answer.",
            query(quantile(0.95, "caudal_first_byte_seconds", "cache", chosen=ROUTED), "{{cache}}"),
            unit="s", log=True, least=None, alert="CaudalFirstByteBurnsFast",
        )),
    ]  # fmt: skip


def misses() -> list:
    return [
        (8, graph(
            "Misses by reason", "unknown: nobody asked before, or it was evicted long ago. expired: too old to be believed. "
            "blocks_absent: known, but these bytes are not at hand. no_store: the object forbids keeping it.",
            query(rate("caudal_cache_misses_total", "reason"), "{{reason}}"), unit="reqps", stack=True,
        )),
        (8, graph(
            "Joined reads", "Requests that followed another one's storage read instead of causing one.",
            query(rate("caudal_cache_coalesced_total", "instance"), "{{instance}}"), unit="reqps",
        )),
        (8, graph(
            "Fills by outcome", "full: the block is whole. Anything else is why it is not. resumed: broken bodies that were "
            "read on from where they broke.",
            query(rate("caudal_fills_total", "outcome"), "{{outcome}}"),
            query(rate("caudal_fill_resumes_total"), "resumed"), unit="ops", alert="CaudalStorageFails",
        )),
    ]  # fmt: skip


def memory() -> list:
    return [
        (12, graph(
            "Memory of blocks", "Bytes charged to blocks: full, in flight, or still being sent. Of them those that are sent "
            "without a copy. The budget is what cache.memory leaves for blocks.",
            query(total("caudal_cache_budget_bytes"), "budget"), query(total("caudal_cache_bytes"), "blocks"),
            query(total("caudal_cache_arena_bytes"), "of them without a copy"),
            unit="bytes", alert="CaudalCacheMemoryExhausted",
        )),
        (12, graph(
            "Evictions", "Blocks that made room for others, or were refused for want of it. Many, beside misses of "
            "blocks_absent, are a cache that is too small.",
            query(rate("caudal_cache_evictions_total", "instance"), "{{instance}}"), unit="ops", alert="CaudalHitRatioLow",
        )),
    ]  # fmt: skip
