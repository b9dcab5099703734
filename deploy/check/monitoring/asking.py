"""Questions to Prometheus, as Grafana would put them."""

import json
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request

from report import Wrong


class Prometheus:
    def __init__(self, url: str):
        self.url = url

    def _get(self, path: str, **words) -> object:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(words, doseq=True)}"
        try:
            return json.load(urllib.request.urlopen(url, timeout=20))["data"]
        except urllib.error.HTTPError as refused:
            raise Wrong(f"Prometheus refuses {words}: {refused.read().decode()[:300]}") from refused

    def now(self, expr: str) -> list[dict]:
        """Series, each with one value."""
        return self._get("query", query=expr)["result"]

    def over(self, expr: str, start: float, end: float, step: float) -> list[dict]:
        """Series, each with its values from `start` to `end`."""
        return self._get("query_range", query=expr, start=start, end=end, step=step)["result"]

    def values_of(self, label: str, selector: str) -> list[str]:
        return self._get(f"label/{label}/values", **({"match[]": selector} if selector else {}))

    def rules(self) -> list[dict]:
        return self._get("rules")["groups"]

    def metadata(self) -> dict[str, str]:
        """Metrics, and their types."""
        return {name: said[0]["type"] for name, said in self._get("metadata").items()}

    def has_data(self, expr: str, *, instant: bool) -> bool:
        """Whether there is a figure in it, of the last 45 seconds, that is a number."""
        end = time.time()
        series = self.now(expr) if instant else self.over(expr, end - 45, end, 5)
        values = [value for one in series for _, value in (one.get("values") or [one["value"]])]
        return any(not math.isnan(float(value)) for value in values)

    def wait_for(self, expr: str, seconds: float) -> None:
        """Until `expr` returns something; Wrong where it does not in time."""
        deadline = time.monotonic() + seconds
        while not self.now(expr):
            if time.monotonic() > deadline:
                raise Wrong(f"nothing after {seconds:.0f} s: {expr}")
            time.sleep(0.5)


def filled_in(expr: str, rate_interval: str, chosen: dict[str, list[str]]) -> str:
    """A dashboard's query with its variables in their places, as Grafana puts them where several are chosen."""
    expr = expr.replace("$__rate_interval", rate_interval)
    return re.sub(r"\$(\w+)", lambda found: "|".join(quoted(one) for one in chosen[found[1]]), expr)


def quoted(value: str) -> str:
    """Literally, within a regular expression within a string."""
    return re.sub(r"([.*+?^${}()|\[\]\\])", r"\\\\\1", value)


def choices(prometheus: Prometheus, dashboard: dict) -> dict[str, list[str]]:
    """All that one may choose for each of its variables, by name."""
    found: dict[str, list[str]] = {}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()
            found[variable["name"]] = prometheus.values_of(label, filled_in(metric, "", found))
    return found
