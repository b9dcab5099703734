"""What is made of the access log: every field of every kind of line finds its place, and no secret does.

There is no Elasticsearch here to ask. The pipeline's processors are few and plain; `ingested` does to real lines what
Elasticsearch's reference says that each of them does, and an unknown processor or option is a failure.
"""

import fnmatch
import json
import re

import yaml
from report import MONITORING, ROOT, Report, Wrong, ask, none_of

ELK = MONITORING / "elk"
# Where the kubelet puts what containers write: POD_NAMESPACE_CONTAINER-ID.log.
LOGS = "/var/log/containers"
OPTIONS = {
    "json": ({"field"}, {"target_field"}),
    "date": ({"field", "formats"}, {"target_field"}),
    "rename": ({"field", "target_field"}, {"ignore_missing"}),
    "set": ({"field"}, {"value", "copy_from", "override"}),
    "dissect": ({"field", "pattern"}, set()),
    "remove": ({"field"}, {"ignore_missing"}),
}  # needed, and allowed besides


def read(name: str):
    return json.loads((ELK / name).read_text())


def check(report: Report) -> None:
    with report.check("pipeline, template and policy are JSON that names one another"):
        named_by_one_another()
    with report.check("every processor is known and has the options it needs"):
        pipeline = read("ingest-pipeline.json")
        none_of([flaw for one in pipeline["processors"] + pipeline["on_failure"] for flaw in flaws(one)])
    with report.check("Kibana's searches ask for fields that are mapped, of a view that is there"):
        none_of(unknown_to_the_mapping())
    with report.check("Filebeat writes to the data stream, takes stdout alone, and has its key from outside"):
        shipped()


def check_lines(report: Report, lines: list[str]) -> None:
    """`lines` are what a server wrote that was asked for everything."""
    with report.check(f"{len(lines)} real lines have every field that caudal can write"):
        source = (ROOT / "src/telemetry/access_log/json.rs").read_text()
        written = re.findall(r'(?:word|text|key)\(out, "(\w+)"|\\"(\w+)\\":', source)
        known = {one or other for one, other in written}
        seen = {name for line in lines for name in json.loads(line)}
        if known != seen:
            raise Wrong(f"only in the source: {sorted(known - seen)}; only in lines: {sorted(seen - known)}")
    with report.check("every field of them is mapped, as what it is"):
        mapped, processors = mapping(), read("ingest-pipeline.json")["processors"]
        none_of(sorted({problem for line in lines for problem in misfits(flat(ingested(line, processors)), mapped)}))
    with report.check("no query, CMCD or token is in any of them"):
        none_of([line[:200] for line in lines if re.search(r"\?|CMCD|eyJ|token=", json.loads(line)["path"])])


def named_by_one_another() -> None:
    settings = read("index-template.json")["template"]["settings"]
    script = (ELK / "install.sh").read_text()
    wanted = [f"_ilm/policy/{settings['index.lifecycle.name']} ", f"_ingest/pipeline/{settings['index.default_pipeline']} "]
    none_of([f"install.sh does not put {one}" for one in wanted if one not in script])
    if "rollover" not in read("ilm-policy.json")["policy"]["phases"]["hot"]["actions"]:
        raise Wrong("a data stream's policy has to roll over")
    ask("sh", "-n", ELK / "install.sh")


def flaws(processor: dict) -> list[str]:
    [(kind, options)] = processor.items()
    needed, allowed = OPTIONS.get(kind, (None, None))
    if needed is None:
        return [f"{kind}: no such processor"]
    found = [f"{kind} needs {one}" for one in needed - options.keys()]
    return found + [f"{kind} has {one}" for one in options.keys() - needed - allowed]


def unknown_to_the_mapping() -> list[str]:
    rows = [json.loads(row) for row in (ELK / "kibana.ndjson").read_text().splitlines()]
    views = {row["id"]: row["attributes"]["title"] for row in rows if row["type"] == "index-pattern"}
    found, mapped = [], mapping()
    if set(views.values()) != set(read("index-template.json")["index_patterns"]):
        found.append(f"the view is of {views}")
    for row in (row for row in rows if row["type"] == "search"):
        source = json.loads(row["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        asked = set(re.findall(r"[\w@]+(?:\.\w+)+", source["query"]["query"])) | set(row["attributes"]["columns"])
        found += [f"{row['id']} asks for {name}" for name in sorted(asked - mapped.keys())]
        found += [f"{row['id']} is of no view" for one in row["references"] if one["id"] not in views]
    return found


def shipped() -> None:
    filebeat = yaml.safe_load((ELK / "filebeat.yml").read_text())
    output = filebeat["output.elasticsearch"]
    pattern = read("index-template.json")["index_patterns"][0]
    if not re.fullmatch(pattern.replace(".", r"\.").replace("*", ".+"), output["index"]):
        raise Wrong(f"{output['index']} is not of {pattern}")
    if output["api_key"] != "${ES_API_KEY}":
        raise Wrong("the key stands in the file")
    containers = filebeat["filebeat.inputs"][0]
    if containers["parsers"] != [{"container": {"stream": "stdout"}}]:
        raise Wrong("stderr would be taken for access lines")
    [path] = containers["paths"]
    taken = [name for name in ["caudal", "istio-proxy"] if fnmatch.fnmatch(f"{LOGS}/caudal-7c9b-h4k2d_caudal_{name}-0f3a.log", path)]
    if taken != ["caudal"]:
        raise Wrong(f"{path} takes the containers {taken}")


def mapping() -> dict[str, str]:
    """Fields by their full names, and their types."""
    def under(properties: dict, path: str):
        for name, one in properties.items():
            if "properties" in one:
                yield from under(one["properties"], f"{path}{name}.")
            else:
                yield f"{path}{name}", one["type"]

    return dict(under(read("index-template.json")["template"]["mappings"]["properties"], ""))


def ingested(line: str, processors: list[dict]) -> dict:
    """The document that Elasticsearch makes of a line, by full names."""
    fields: dict = {"message": line}
    for processor in processors:
        [(kind, options)] = processor.items()
        field = options["field"]
        if kind == "json":
            fields |= {f"{options['target_field']}.{name}": value for name, value in json.loads(fields[field]).items()}
        elif kind == "date":
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields[field]):
                raise Wrong(f"{fields[field]} is not ISO 8601")
            fields[options["target_field"]] = fields[field]
        elif kind == "rename":
            if field in fields:
                fields[options["target_field"]] = fields.pop(field)
            elif not options.get("ignore_missing"):
                raise Wrong(f"rename: a line has no {field}")
        elif kind == "set":
            value = options["value"] if "value" in options else fields[options["copy_from"]]
            if options.get("override", True) or field not in fields:
                fields[field] = value
        elif kind == "dissect":
            before, name, after = re.fullmatch(r"(.*)%\{([\w.]+)\}(.*)", options["pattern"]).groups()
            if not (fields[field].startswith(before) and fields[field].endswith(after)):
                raise Wrong(f"dissect: {fields[field]} is not like {options['pattern']}")
            fields[name] = fields[field][len(before) : len(fields[field]) - len(after)]
        elif kind == "remove":
            for one in field if isinstance(field, list) else [field]:
                del fields[one]
    return fields


def flat(fields: dict) -> dict:
    """One value for each field: an array is its elements."""
    return {name: value[0] if isinstance(value, list) else value for name, value in fields.items()}


def misfits(fields: dict, mapped: dict[str, str]) -> list[str]:
    numbers = {"short": 32767, "long": 2**63 - 1}
    found = []
    for name, value in fields.items():
        kind = mapped.get(name)
        if kind is None:
            found.append(f"{name} is not mapped")
        elif kind in numbers:
            found += [] if isinstance(value, int) and abs(value) <= numbers[kind] else [f"{name}: {value!r} is no {kind}"]
        elif kind == "float":
            found += [] if isinstance(value, int | float) else [f"{name}: {value!r} is no number"]
        elif kind == "ip":
            found += [] if re.fullmatch(r"[0-9a-f:.]+", value) else [f"{name}: {value!r} is no address"]
        elif not isinstance(value, str):
            found.append(f"{name}: {value!r} is no text")
    return found
