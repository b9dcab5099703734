"""How dashboards and panels look: everything that Grafana wants to know and a reader does not."""

RUNBOOKS = "https://example.invalid/caudal/blob/main/docs/runbooks"
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

# How high panels are; the highest of a row counts.
HEIGHTS = {"stat": 4, "timeseries": 8, "heatmap": 8, "table": 5}

# Words that mean the same on every panel have the same colour on every panel: those of a label, and of a line alone.
COLOURS = {
    "{{status}}": {"2xx": "green", "3xx": "blue", "4xx": "yellow", "5xx": "red"},
    "{{cache}}": {
        "hit": "green", "stale": "semi-dark-green", "stale_on_error": "orange", "revalidated": "blue",
        "partial": "light-blue", "miss": "purple", "bypass": "#8e8e8e",
    },
    "{{kind}}": {
        "segment": "blue", "init": "light-blue", "hls_playlist": "green", "dash_manifest": "semi-dark-green",
        "subtitle": "yellow", "image": "orange", "key": "purple", "other": "#8e8e8e",
    },
    "{{outcome}}": {"full": "green"},
    "budget": {"budget": "#8e8e8e"},
    "objective": {"objective": "#8e8e8e"},
}  # fmt: skip

# Steps are (from, colour); the first is the colour of everything below the second.
GOOD_IS_HIGH = [(None, "red"), (0.6, "yellow"), (0.8, "green")]
BAD_IS_HIGH = [(None, "green"), (0.001, "yellow"), (0.01, "red")]
NEUTRAL = [(None, "blue")]


def query(expr: str, legend: str = "", *, instant: bool = False, table: bool = False) -> dict:
    """One question to Prometheus; `legend` names its series by their labels, {{status}}."""
    return {
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": expr,
        "format": "table" if table else "time_series",
        "instant": instant,
        "legendFormat": legend or "__auto",
        "range": not instant,
    }


def stat(title: str, says: str, expr: str, *, unit: str, steps=NEUTRAL, alert: str = "") -> dict:
    """One figure, and how it came to be."""
    panel = _panel("stat", title, says, [query(expr)], unit, alert)
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "thresholds"}, "thresholds": _steps(steps)}
    panel["options"] = {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
        "wideLayout": True,
    }
    return panel


def graph(title: str, says: str, *queries: dict, unit: str, stack: bool = False, alert: str = "", **axis) -> dict:
    """Lines over time; `stack` adds them up."""
    panel = _panel("timeseries", title, says, list(queries), unit, alert)
    panel["fieldConfig"]["defaults"] |= {"color": {"mode": "palette-classic"}, "min": axis.get("least", 0)}
    if "most" in axis:
        panel["fieldConfig"]["defaults"]["max"] = axis["most"]
    panel["fieldConfig"]["defaults"]["custom"] = {
        "axisPlacement": "auto",
        "drawStyle": "line",
        "fillOpacity": 60 if stack else 8,
        "lineInterpolation": "linear",
        "lineWidth": 1,
        "scaleDistribution": {"type": "log", "log": 10} if axis.get("log") else {"type": "linear"},
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stack else "none"},
        "thresholdsStyle": {"mode": "off"},
    }
    words = [COLOURS.get(asked["legendFormat"], {}).items() for asked in queries]
    panel["fieldConfig"]["overrides"] = [_coloured(word, colour) for known in words for word, colour in known]
    panel["options"] = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel


def heatmap(title: str, says: str, buckets: str, *, alert: str = "") -> dict:
    """A histogram over time; `buckets` is a rate by le."""
    asked = query(buckets, "{{le}}") | {"format": "heatmap"}
    panel = _panel("heatmap", title, says, [asked], "s", alert)
    panel["fieldConfig"]["defaults"] = {"custom": {"scaleDistribution": {"type": "linear"}}}
    panel["options"] = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "exponent": 0.5, "fill": "blue", "mode": "scheme", "reverse": False,
            "scale": "exponential", "scheme": "Blues", "steps": 64,
        },
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "tooltip": {"mode": "single", "showColorScale": False, "yHistogram": False},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": "s"},
    }
    return panel


def table(title: str, says: str, expr: str, *, columns: dict[str, str], unit: str, value: str = "", alert: str = "") -> dict:
    """What is so now, a row a series. `columns` are labels and their headings; `value` is the figure's, "" hides it."""
    panel = _panel("table", title, says, [query(expr, instant=True, table=True)], unit, alert)
    panel["options"] = {"cellHeight": "sm", "showHeader": True}
    order = {name: place for place, name in enumerate([*columns, "Value"])}
    panel["transformations"] = [
        {"id": "filterFieldsByName", "options": {"include": {"names": [*columns, *(["Value"] if value else [])]}}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": columns | ({"Value": value} if value else {})}},
    ]
    return panel


def assemble(uid: str, title: str, says: str, rows: list[list[tuple[int, dict]]], **variables) -> dict:
    """`rows` are panels with their widths, of 24."""
    panels, y = [], 0
    for row in rows:
        x, tall = 0, max(HEIGHTS[panel["type"]] for _, panel in row)
        for width, panel in row:
            place = {"gridPos": {"h": tall, "w": width, "x": x, "y": y}, "id": len(panels) + 1}
            panels.append(place | panel)
            x += width
        y += tall
    return {
        "annotations": {"list": []},
        "description": says,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "links": [
            _link("", "") | {"type": "dashboards", "tags": ["caudal"], "includeVars": True, "keepTime": True},
            _link("Runbooks", f"{RUNBOOKS}/README.md"),
        ],
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["caudal"],
        "templating": {"list": [_source(), *_variables(**variables)]},
        "time": {"from": "now-3h", "to": "now"},
        "timepicker": {},
        "timezone": "",
        "title": title,
        "uid": uid,
        "version": 1,
        "weekStart": "",
    }  # fmt: skip


def _panel(kind: str, title: str, says: str, targets: list[dict], unit: str, alert: str) -> dict:
    links = [_link(f"Runbook: {alert}", f"{RUNBOOKS}/{alert}.md")] if alert else []
    return {
        "type": kind,
        "title": title,
        "description": says,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "mappings": []}, "overrides": []},
        "links": links,
        "options": {},
        "targets": [target | {"refId": chr(ord("A") + place)} for place, target in enumerate(targets)],
    }


def _link(title: str, url: str) -> dict:
    return {
        "asDropdown": False, "icon": "doc", "includeVars": False, "keepTime": False, "tags": [], "targetBlank": True,
        "title": title, "tooltip": "", "type": "link", "url": url,
    }  # fmt: skip


def _steps(steps) -> dict:
    return {"mode": "absolute", "steps": [{"color": colour, "value": start} for start, colour in steps]}


def _coloured(word: str, colour: str) -> dict:
    return {
        "matcher": {"id": "byName", "options": word},
        "properties": [{"id": "color", "value": {"fixedColor": colour, "mode": "fixed"}}],
    }


def _source() -> dict:
    return {
        "current": {"selected": False, "text": "default", "value": "default"},
        "hide": 0, "includeAll": False, "label": "Data source", "multi": False, "name": "datasource",
        "options": [], "query": "prometheus", "refresh": 1, "regex": "", "skipUrlSync": False, "type": "datasource",
    }  # fmt: skip


def _variables(*, route: bool = False) -> list[dict]:
    """What one may choose: a fleet, some of its processes and, where figures tell them apart, routes."""
    made = [
        _variable("job", "Fleet", "label_values(caudal_build_info, job)"),
        _variable("instance", "Instance", 'label_values(caudal_build_info{job=~"$job"}, instance)'),
    ]
    if route:
        made.append(_variable("route", "Route", 'label_values(caudal_requests_total{job=~"$job"}, route)'))
    return made


def _variable(name: str, label: str, definition: str) -> dict:
    return {
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "datasource": DATASOURCE,
        "hide": 0, "includeAll": True, "label": label, "multi": True, "name": name, "options": [],
        "query": {"qryType": 1, "query": definition, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "refresh": 2, "regex": "", "skipUrlSync": False, "sort": 1, "type": "query",
    }  # fmt: skip
