# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat exporter: Prometheus' text format, a whole file, its dashboard."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import toolbox
from toolbox import Skip, Target, stat

DASHBOARD = os.path.join(os.environ["TEST_SRCDIR"], "doc/grafana.json")


def families_of(text):
    """The type of each family; every sample must follow its family's lines."""
    types, helps, name = {}, set(), None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types, name
            types[name] = kind
        elif line.startswith("# HELP "):
            assert line.split()[2] == name, line
            helps.add(name)
        else:
            match = re.fullmatch(r'(\w+)\{(\w+="(?:[^"\\]|\\.)*",?)+\} (\d+)',
                                 line)
            assert match and match.group(1) == name, line
    assert helps == set(types)
    for family, kind in types.items():
        assert (kind == "counter") == family.endswith("_total"), family
    return types


def counters_are_counters():
    with Target() as one, Target() as two, \
            tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tcm.prom")
        for _ in range(2):
            assert stat("exporter", "-o", path).returncode == toolbox.OK
            assert os.listdir(folder) == ["tcm.prom"]
        assert os.stat(path).st_mode & 0o777 == 0o666 & ~umask()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        types = families_of(text)
        assert types["tcm_forks_total"] == "counter"
        assert types["tcm_heap_bytes"] == "gauge"
        for target in [one, two]:
            assert 'tcm_mapped_bytes{pid="%d",' % target.pid in text


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def the_file_stays_if_it_cannot_be_written():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "kept")
        with open(path, "w", encoding="ascii") as file:
            file.write("before")
        done = stat("show", "-o", path, "0")
        assert done.returncode == toolbox.NO_PROCESS, done
        assert os.listdir(folder) == ["kept"]
        with open(path, encoding="ascii") as file:
            assert file.read() == "before"


def the_collector_takes_it():
    """A real node exporter, if one is installed, reads the file."""
    program = shutil.which("prometheus-node-exporter") or \
        shutil.which("node_exporter")
    if program is None:
        raise Skip("no node exporter here")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Target(), tempfile.TemporaryDirectory() as folder:
        stat("exporter", "-o", os.path.join(folder, "tcm.prom"))
        child = subprocess.Popen(
            [program, "--collector.disable-defaults", "--collector.textfile",
             "--collector.textfile.directory=" + folder,
             "--web.listen-address=127.0.0.1:%d" % port],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            text = fetch("http://127.0.0.1:%d/metrics" % port)
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait()
    assert "node_textfile_scrape_error 0" in text, text
    text = "\n".join(re.findall("^.*\\btcm_.*", text, re.M))
    assert "# TYPE tcm_slow_paths_total counter" in text, text
    assert "# HELP tcm_slow_paths_total Calls that" in text, text
    assert not re.search("# TYPE tcm_.* untyped", text), text


def fetch(address):
    end = time.monotonic() + 20
    while True:
        try:
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=5) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


# ---- The dashboard -----------------------------------------------------------------

# The fields of Grafana's classic dashboard model that Grafana needs to load and
# draw.
NUMBER, TEXT = {"type": "integer"}, {"type": "string", "minLength": 1}
SOURCE = {"type": "object", "required": ["type", "uid"], "properties": {
    "type": {"const": "prometheus"}, "uid": {"const": "${source}"}}}
QUERY = {"type": "object", "required": ["refId", "expr", "datasource"],
         "properties": {"refId": {"type": "string", "pattern": "^[A-Z]$"},
                        "expr": TEXT, "legendFormat": TEXT,
                        "datasource": SOURCE}}
PANEL = {
    "type": "object",
    "required": ["id", "title", "type", "datasource", "gridPos", "fieldConfig",
                 "targets"],
    "properties": {
        "id": NUMBER, "title": TEXT, "type": {"const": "timeseries"},
        "datasource": SOURCE,
        "targets": {"type": "array", "minItems": 1, "items": QUERY},
        "gridPos": {"type": "object", "required": ["x", "y", "w", "h"],
                    "additionalProperties": {"type": "integer", "minimum": 0}},
        "fieldConfig": {
            "type": "object", "required": ["defaults", "overrides"],
            "properties": {"overrides": {"type": "array"}, "defaults": {
                "type": "object", "required": ["unit"], "properties": {
                    "unit": {"enum": ["bytes", "Bps", "ops", "short",
                                      "percentunit"]}}}}}}}
VARIABLE = {"type": "object", "required": ["name", "type", "query"],
            "properties": {"name": TEXT, "datasource": SOURCE,
                           "type": {"enum": ["datasource", "query"]}}}
DASHBOARD_SCHEMA = {
    "type": "object",
    "required": ["title", "uid", "schemaVersion", "version", "panels",
                 "templating", "time", "annotations"],
    "properties": {
        "title": TEXT, "uid": {"type": "string", "maxLength": 40},
        "schemaVersion": {"type": "integer", "minimum": 36},
        "version": NUMBER,
        "panels": {"type": "array", "minItems": 1, "items": PANEL},
        "templating": {"type": "object", "required": ["list"], "properties": {
            "list": {"type": "array", "items": VARIABLE}}},
        "time": {"type": "object", "required": ["from", "to"]},
        "annotations": {"type": "object", "required": ["list"]}}}


def check_schema(value, schema, place):
    """Checks the part of JSON Schema that the tests use: the module jsonschema
    may be missing."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), place
    assert "const" not in schema or value == schema["const"], (place, value)
    assert "enum" not in schema or value in schema["enum"], (place, value)
    assert len(schema.get("required", [])) == 0 or \
        set(schema["required"]) <= set(value), (place, value)
    if isinstance(value, int):
        assert value >= schema.get("minimum", value), (place, value)
    if isinstance(value, str):
        assert schema.get("minLength", 0) <= len(value) <= \
            schema.get("maxLength", len(value)), (place, value)
        assert re.search(schema.get("pattern", ""), value), (place, value)
    if isinstance(value, list):
        assert len(value) >= schema.get("minItems", 0), place
        for i, item in enumerate(value):
            check_schema(item, schema.get("items", {}), "%s[%d]" % (place, i))
    if isinstance(value, dict):
        others = schema.get("additionalProperties", {})
        for name, member in value.items():
            check_schema(member, schema.get("properties", {}).get(name, others),
                         place + "." + name)


def check_query(text, samples, names):
    """Each series that the dashboard queries exists, with these labels."""
    assert text.count("(") == text.count(")"), text
    metrics = re.findall(r"\b(tcm_\w+)(\{[^}]*\})?", text)
    # The exporter omits resident bytes that the kernel does not report.
    missing = {metric for metric, _ in metrics} - set(samples)
    assert metrics and not missing, (text, missing)
    for metric, labels in metrics:
        labels = set(re.findall(r"(\w+)=", labels)) - {"instance"}
        assert labels <= samples[metric], (text, labels)
        counts = re.search(r"(rate|increase)\(%s\b" % metric, text) is not None
        assert counts == metric.endswith("_total"), text
    for group in re.findall(r"by \(([\w,]+)\)", text):
        assert all(set(group.split(",")) <= samples[metric]
                   for metric, _ in metrics), text
    assert set(re.findall(r"\$([a-z]+)", text)) <= names, text


def check_dashboard(dashboard, samples):
    check_schema(dashboard, DASHBOARD_SCHEMA, "dashboard")
    variables = dashboard["templating"]["list"]
    names = {variable["name"] for variable in variables}
    for variable in variables:
        if variable["type"] == "query":
            query = variable["query"]["query"]
            assert re.fullmatch(r"label_values\(tcm_\w+(\{.*\})?, \w+\)", query)
            check_query(query, samples, names)
    numbers, taken = set(), set()
    for panel in dashboard["panels"]:
        assert panel["id"] not in numbers
        numbers.add(panel["id"])
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert cells and place["x"] + place["w"] <= 24, panel
        assert not cells & taken, panel
        taken |= cells
        letters = [query["refId"] for query in panel["targets"]]
        assert len(letters) == len(set(letters)), panel
        for query in panel["targets"]:
            check_query(query["expr"], samples, names)
            shown = set(re.findall(r"\{\{(\w+)\}\}", query["legendFormat"]))
            assert shown <= {"instance"}.union(*samples.values()), query


def the_dashboard_asks_for_what_there_is():
    with open(DASHBOARD, encoding="utf-8") as file:
        text = file.read()
    with Target():
        lines = stat("exporter").stdout
    families_of(lines)
    samples = {name: set(re.findall(r'(\w+)="', labels)) for name, labels in
               re.findall(r"^(\w+)\{(.*)\}", lines, re.M)}
    check_dashboard(json.loads(text), samples)
    # The check finds each of these faults.
    for right, wrong in [
            ("tcm_heap_bytes{", "tcm_heap_size{"),
            ("rate(tcm_faulted_in", "abs(tcm_faulted_in"),
            ('"expr": "tcm_thread_caches{', '"expr": "rate(tcm_thread_caches{'),
            ('"expr": "', '"expr": "('), ("part=", "piece="),
            ("by (part)", "by (piece)"), ("{{part}}", "{{piece}}"),
            ("$command", "$program"), ("${source}", "prometheus"),
            ("timeseries", "graph2"), ('"id": 2,', '"id": 1,'),
            ('"x": 12', '"x": 11'), ('"w": 24', '"w": 25'),
            ('"unit": "bytes"', '"unit": "byte"'), ('"refId"', '"ref"'),
            ('"targets"', '"queries"'), ('"title": "Parts', '"name": "Parts'),
            ('"schemaVersion"', '"schema"'), ("label_values(tcm_mapped_bytes",
                                              "label_values(tcm_mapped")]:
        broken = text.replace(right, wrong)
        assert broken != text, right
        try:
            check_dashboard(json.loads(broken), samples)
        except AssertionError:
            continue
        raise AssertionError("it does not find %r" % wrong)


toolbox.main([counters_are_counters, the_file_stays_if_it_cannot_be_written,
              the_collector_takes_it, the_dashboard_asks_for_what_there_is])
