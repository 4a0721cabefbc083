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


def the_dashboard_asks_for_what_there_is():
    with open(DASHBOARD, encoding="utf-8") as file:
        dashboard = json.load(file)
    for key, kind in [("title", str), ("uid", str), ("schemaVersion", int),
                      ("panels", list), ("templating", dict), ("time", dict),
                      ("annotations", dict)]:
        assert isinstance(dashboard[key], kind), key
    names = {v["name"] for v in dashboard["templating"]["list"]}
    with Target():
        types = families_of(stat("exporter").stdout)
    numbers, taken = set(), set()
    for panel in dashboard["panels"]:
        assert panel["type"] == "timeseries" and panel["title"]
        assert panel["id"] not in numbers
        numbers.add(panel["id"])
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24 and not cells & taken, panel
        taken |= cells
        for query in panel["targets"]:
            check_query(query["expr"], types, names)


def check_query(text, types, names):
    metrics = set(re.findall(r"\btcm_\w+", text))
    # The exporter omits resident bytes that the kernel does not report.
    missing = metrics - set(types)
    assert metrics and not missing, (text, missing)
    for metric in metrics:
        counts = re.search(r"(rate|increase)\(%s\b" % metric, text) is not None
        assert counts == (types[metric] == "counter"), text
    assert set(re.findall(r"\$([a-z]+)", text)) <= names, text


toolbox.main([counters_are_counters, the_file_stays_if_it_cannot_be_written,
              the_collector_takes_it, the_dashboard_asks_for_what_there_is])
