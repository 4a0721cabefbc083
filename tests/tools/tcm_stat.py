# SPDX-License-Identifier: BSD-2-Clause
"""tcm-stat on targets of all kinds: what it says, and how it ends."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import toolbox
from toolbox import MIB, OTHER, PROGRAM, Skip, Target, read, stat

KEYS = toolbox.PARTS + ["mapped_bytes", "resident_bytes"]


def need_json():
    if not toolbox.has_json():
        raise Skip("built without jansson")


# ---- Numbers -----------------------------------------------------------------
def parts_are_the_whole():
    need_json()
    with Target() as target:
        target.do("fill 20000 1000")
        document = read(target.pid)
        assert document["exact"]
        assert all(key in document for key in KEYS)
        assert document["in_use_bytes"] >= 20000 * 1000
        sizes = {c["size_bytes"]: c for c in document["classes"]}
        assert sizes[1024]["live"] >= 20000
        target.do("sparse")
        sparse = read(target.pid)
        sizes = {c["size_bytes"]: c for c in sparse["classes"]}
        assert 2000 <= sizes[1024]["live"] < 2100
        assert sparse["in_use_bytes"] < document["in_use_bytes"] / 5
        assert sparse["central_list_bytes"] > 10 * MIB


def residency_is_predicted():
    """Under a load that touches every page."""
    need_json()
    with Target() as target:
        for line in ["fill 200000 300", "fill 3000 20000", "fill 30 3000000"]:
            target.do(line)
            document = read(target.pid)
            if document["resident_bytes"] is None:
                raise Skip("the kernel does not report what is resident")
            held = document["mapped_bytes"] - document["returned_bytes"]
            error = abs(held - document["resident_bytes"])
            assert error <= max(held // 50, MIB), (held, document)
            assert document["untouched_bytes"] <= max(held // 50, MIB)


def agrees_with_the_process_itself():
    """tcm_stats_print() inside, tcm-stat outside: the same numbers."""
    need_json()
    env = {"TCM_STATS_SIGNAL": str(int(signal.SIGUSR2))}
    with Target(stderr=subprocess.PIPE, env=env) as target:
        target.do("fill 5000 700")
        os.kill(target.pid, signal.SIGSTOP)
        document = read(target.pid)
        os.kill(target.pid, signal.SIGUSR2)
        os.kill(target.pid, signal.SIGCONT)
        text = "".join(target.child.stderr.readline() for _ in range(13))
        target.child.stderr.close()
    for key, label in [("in_use_bytes", "Bytes in use by application"),
                       ("central_list_bytes", "Bytes in central cache"),
                       ("returned_bytes", "Bytes released to OS"),
                       ("mapped_bytes", "Bytes mapped\n")]:
        assert "%d %s" % (document[key], label) in text, (key, text)


def json_of_the_process_itself():
    """Well-formed, with the members of tcm-stat's document and its numbers."""
    need_json()
    with Target() as target:
        target.do("fill 5000 700")
        target.do("sparse")
        outside = read(target.pid)
        target.child.stdin.write("print\n")
        target.child.stdin.flush()
        text = ""
        while not text.endswith("done\n"):
            line = target.child.stdout.readline()
            if not line:
                assert target.child.wait() >= 0, "a signal ended the program"
                raise Skip("the program cannot reach the library")
            text += line
        inside = json.loads(text[:-len("done\n")])
    for key in toolbox.PARTS + ["mapped_bytes", "most_mapped_bytes",
                                "reserved_bytes", "large_count", "span_count"]:
        assert inside[key] == outside[key], key
    for key in ["classes", "options"]:
        assert inside[key] == outside[key], (key, inside[key], outside[key])
    for key, value in inside["counters"].items():
        assert outside["counters"][key] == value, key
    difference = abs(inside["resident_bytes"] - outside["resident_bytes"])
    assert difference <= MIB // 8, (inside["resident_bytes"],
                                    outside["resident_bytes"])


def the_document_is_described():
    """The manual page has each member, and the number of the schema."""
    need_json()
    path = os.path.join(os.environ["TEST_SRCDIR"], "man/tcm-stat.1")
    with open(path, encoding="utf-8") as file:
        page = file.read()
    page = page[page.index(".SS The document"):page.index(".SH OPTIONS")]
    words = set(re.findall(r"\w+", page))
    with Target() as target:
        target.do("fill 10 100")
        document = read(target.pid)
    assert "The number of this description: %d." % document["schema"] in page
    names = set(document) | set(document["counters"]) | \
        set(document["classes"][0]) | set(document["threads"][0])
    names |= {key for option in document["options"].values() for key in option}
    assert names <= words, names - words


def counts_every_allocation_if_asked():
    need_json()
    with Target(env={"TCM_CHECK": "1"}) as target:
        before = read(target.pid)["counters"]
        target.do("fill 12345 100")
        after = read(target.pid)["counters"]
        assert after["allocations_exact"]
        assert after["allocations"] - before["allocations"] == 12345
    with Target() as target:
        assert not read(target.pid)["counters"]["allocations_exact"]


def threads_are_told_apart():
    need_json()
    with Target() as target:
        target.do("threads 3")
        time.sleep(0.2)
        document = read(target.pid)
        numbers = {thread["thread"] for thread in document["threads"]}
        assert len(numbers) == 4 and target.pid in numbers, numbers
        tasks = {int(t) for t in os.listdir("/proc/%d/task" % target.pid)}
        assert numbers <= tasks, (numbers, tasks)


def options_and_their_source():
    need_json()
    with Target(env={"TCM_THREAD_CACHE_BYTES": "128K"}) as target:
        options = read(target.pid)["options"]
        assert options["thread_cache_bytes"] == {"value": 131072,
                                                 "source": "environment"}
        assert options["messages"] == {"value": 1, "source": "default"}


# ---- Targets -----------------------------------------------------------------
def a_stopped_process():
    with Target() as target:
        target.do("fill 1000 100")
        os.kill(target.pid, signal.SIGSTOP)
        done = stat(target.pid)
        assert done.returncode == toolbox.OK, done
        with open("/proc/%d/stat" % target.pid, encoding="ascii") as file:
            assert file.read().split(") ")[1][0] == "T"


def a_static_program():
    archive = os.path.join(toolbox.BUILD, ".libs/libtcm.a")
    source = os.path.join(os.environ["TEST_SRCDIR"], "tests/tools/target.c")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "target")
        built = subprocess.run(
            os.environ["CC"].split() +
            ["-O1", "-static", "-pthread", "-o", program, source, archive,
             "-Wl,-u,malloc"], capture_output=True, check=False)
        if built.returncode != 0:
            raise Skip("no static programs here")
        with Target([program], preload=False) as target:
            target.do("fill 5000 2000")
            done = stat(target.pid)
            assert done.returncode == toolbox.OK, done
            assert "in use by the program" in done.stdout
        privileged(program)


def privileged(program):
    """A set-user-ID program is read like any other, but takes no requests."""
    if os.geteuid() != 0:
        return
    os.chown(program, 65534, 65534)
    os.chmod(program, 0o4755)
    os.chmod(os.path.dirname(program), 0o755)
    with Target([program], preload=False) as target:
        target.do("fill 10 10")
        assert stat(target.pid).returncode == toolbox.OK
        done = stat("release", target.pid)
        if done.returncode == toolbox.OK:
            raise Skip("set-user-ID is ignored here")
        assert done.returncode == toolbox.REFUSED, done
        assert "takes no requests" in done.stderr


def core_files():
    """Written by gcore if that is installed, else by the kernel."""
    need_json()
    with tempfile.TemporaryDirectory() as folder:
        with toolbox.target_for_core(folder) as target:
            target.do("fill 5000 1000")
            live = read(target.pid)
            path = toolbox.core_of(target, folder)
        document = read(path)
        for part in toolbox.PARTS:
            assert document[part] == live[part], part
        assert document["resident_bytes"] is None
        assert "core file" in stat(path).stdout
        assert stat("spans", path).returncode == toolbox.OK
        assert stat("release", path).returncode == toolbox.USAGE
        cut = os.path.join(folder, "cut")
        with open(path, "rb") as whole, open(cut, "wb") as part:
            part.write(whole.read(os.path.getsize(path) // 3))
        assert stat(cut).returncode in (toolbox.FAILED, toolbox.NOT_TCM,
                                        toolbox.OK)
    done = stat("/dev/null")
    assert done.returncode == toolbox.FAILED, done
    done = stat("/nowhere/at/all")
    assert done.returncode == toolbox.FAILED and "No such file" in done.stderr


def another_mount_namespace():
    """Like a container seen from the host: the library's path is not there."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "libtcm.so.0")
        shutil.copy(toolbox.LIBRARY, copy)
        script = ("mount -t tmpfs none %s && cp %s %s/lib.so && "
                  "LD_PRELOAD=%s/lib.so exec %s"
                  % (folder, toolbox.LIBRARY, folder, folder, PROGRAM))
        probe = subprocess.run(["unshare", "-m", "true"], check=False,
                               capture_output=True) \
            if shutil.which("unshare") else None
        if probe is None or probe.returncode != 0:
            raise Skip("no mount namespaces here")
        with Target(["unshare", "-m", "sh", "-c", script],
                    preload=False) as target:
            target.do("fill 1000 100")
            assert not os.path.exists(os.path.join(folder, "lib.so"))
            done = stat(target.pid)
            assert done.returncode == toolbox.OK, done


def a_deleted_library():
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "libtcm.so.0")
        shutil.copy(toolbox.LIBRARY, copy)
        with Target(env={"LD_PRELOAD": copy}) as target:
            os.unlink(copy)
            assert stat(target.pid).returncode == toolbox.OK


# ---- Each way to fail has a sentence and a status ------------------------------
def expect(status, sentence, *arguments, **keywords):
    done = stat(*arguments, **keywords)
    assert done.returncode == status, (status, done)
    assert done.stdout == "", done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("tcm-stat: "), lines
    assert re.search(sentence, lines[0]), (sentence, lines[0])


def no_such_process():
    with Target() as target:
        pid = target.pid
    expect(toolbox.NO_PROCESS, "there is no process %d" % pid, pid)
    expect(toolbox.NO_PROCESS, "there is no process", "0")
    expect(toolbox.NO_PROCESS, "there is no process", "99999999999")


def a_zombie():
    child = subprocess.Popen(["true"])
    try:
        while True:
            with open("/proc/%d/stat" % child.pid, encoding="ascii") as file:
                if file.read().split(") ")[1][0] == "Z":
                    break
            time.sleep(0.01)
        expect(toolbox.NO_PROCESS, "has ended", child.pid)
    finally:
        child.wait()


def a_process_that_is_exiting():
    """The kernel takes a while to tear down its memory."""
    seen = set()
    for _ in range(10):
        with Target() as target:
            target.do("fill 40000 4096")
            os.kill(target.pid, signal.SIGKILL)
            for _ in range(10):
                done = stat("json", target.pid)
                seen.add(done.returncode)
                assert done.returncode in (toolbox.OK, toolbox.NO_PROCESS), done
    print(seen)


def not_tcm():
    with Target(preload=False) as target:
        expect(toolbox.NOT_TCM, "does not run tcm", target.pid)
    if os.path.exists("/proc/2/maps"):
        assert stat("2").returncode in (toolbox.NOT_TCM, toolbox.NO_PERMISSION)


def another_version():
    with Target([OTHER], preload=False) as target:
        expect(toolbox.OTHER_VERSION, "another version of tcm", target.pid)
        rows = stat("ps").stdout
        assert re.search("%d .*a tcm that this tcm-stat cannot read" % target.pid, rows), rows


def no_permission():
    if os.geteuid() != 0:
        expect(toolbox.NO_PERMISSION, "no permission", "1")
        return

    def be_nobody():
        os.setgid(65534)
        os.setuid(65534)
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = os.path.join(folder, "tcm-stat")
        shutil.copy(toolbox.STAT, copy)
        with Target() as target:
            done = subprocess.run([copy, str(target.pid)], capture_output=True,
                                  text=True, preexec_fn=be_nobody, check=False)
            assert done.returncode == toolbox.NO_PERMISSION, done
            assert "only its owner and root may read it" in done.stderr, done.stderr
            done = subprocess.run([copy, "ps"], capture_output=True, text=True,
                                  preexec_fn=be_nobody, check=False)
    assert re.search("could not be read, and may run tcm; root with "
                     "CAP_SYS_PTRACE can read all\n$", done.stderr), done.stderr
    # Root gets no advice to become root.
    assert "root" not in stat("ps").stderr


def why_there_is_no_permission():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("root can become another user")
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups "
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        tool, program, library = (folder + "/" + name for name in
                                  ("tcm-stat", "program", "libtcm.so.0"))
        shutil.copy(toolbox.STAT, tool)
        shutil.copy(PROGRAM, program)
        shutil.copy(toolbox.LIBRARY, library)
        with Target(nobody.split() + [program],
                    env={"LD_PRELOAD": library}) as target:
            target.do("hide")

            def refused(sentence, user, scope=None):
                command = "exec %s %s %d" % (user, tool, target.pid)
                if scope is not None:
                    command = ("mount -t tmpfs none /proc/sys/kernel && "
                               "mkdir /proc/sys/kernel/yama && echo %d "
                               ">/proc/sys/kernel/yama/ptrace_scope && %s"
                               % (scope, command))
                done = subprocess.run(
                    ["unshare", "-m", "sh", "-c", command], check=False,
                    env=toolbox.environment(False), capture_output=True,
                    text=True)
                assert done.returncode == toolbox.NO_PERMISSION, done
                assert re.search(sentence, done.stderr), done.stderr
                assert len(done.stderr.splitlines()) == 1, done.stderr
            refused("although it is yours.* as root", nobody, 0)
            refused("ptrace_scope is 1, .* set it to 0", nobody, 1)
            refused("ptrace_scope is 3, .* next boot", nobody, 3)
            refused("outside of this container, or with CAP_SYS_PTRACE",
                    "setpriv --bounding-set=-sys_ptrace")


def usage():
    for arguments in [[], ["show"], ["watch"], ["diff", "1"], ["set", "1"],
                      ["nonsense", "1"], ["-i", "x", "watch", "1"],
                      ["-c", "-1", "watch", "1"], ["--color=red", "1"],
                      ["--json", "--openmetrics", "1"]]:
        expect(toolbox.USAGE, "--help", *arguments)
    expect(toolbox.USAGE, r"name a process \(tcm-stat ps lists them\);")
    expect(toolbox.USAGE, r"watch needs one argument \(a PID, a name or a core "
           r"file\); 0 were given", "watch")
    expect(toolbox.USAGE, "ps needs no argument; 1 was given", "ps", "1")
    done = stat("--help")
    assert done.returncode == toolbox.OK and "Exit status" in done.stdout
    assert stat("--version").stdout.startswith("tcm-stat ")
    assert stat("--wrong").returncode == toolbox.USAGE


def a_full_disk():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    with Target() as target, open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([toolbox.STAT, str(target.pid)], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == toolbox.FAILED, done


# ---- Ways to show ------------------------------------------------------------------
def lines_are_narrow():
    with Target() as target:
        target.do("fill 30000 900")
        target.do("malloc")
        target.do("threads 2")
        for arguments in [[], ["classes"], ["spans"], ["spans", "--pages"],
                          ["threads"], ["watch", "-c", "2", "-i", "0.05"],
                          ["classes", "--bytes"]]:
            done = stat(*arguments, target.pid)
            assert done.returncode == toolbox.OK, done
            for line in done.stdout.splitlines():
                assert len(line) <= 80, line
            assert "\033" not in done.stdout
        assert max(map(len, stat("--help").stdout.splitlines())) <= 80


def colors():
    with Target() as target:
        assert "\033[1m" in stat("--color=always", target.pid).stdout
        assert "\033" not in stat("--color=never", target.pid).stdout


def spans_map():
    with Target() as target:
        target.do("fill 10000 1000")
        text = stat("spans", target.pid).stdout
        assert re.search(r"0x[0-9a-f]+ \|[#0-9]", text), text
        target.do("empty")
        stat("release", target.pid)
        target.do("malloc")
        text = stat("spans", target.pid).stdout
        assert "returned" in text


def watch_counts():
    with Target() as target:
        target.do("threads 1")
        done = stat("watch", "-c", "3", "-i", "0.1", target.pid)
        rows = done.stdout.splitlines()
        assert len(rows) == 4, rows
        rates = rows[-1].split()
        assert float(rates[8]) > 0, rows
        need_json()
        done = stat("watch", "--json", "-c", "2", "-i", "0.05", target.pid)
        for line in done.stdout.splitlines():
            toolbox.check_sums(json.loads(line))
        assert len(done.stdout.splitlines()) == 2


def watch_ends_with_the_target():
    with Target() as target:
        watch = subprocess.Popen(
            [toolbox.STAT, "watch", "-i", "0.05", str(target.pid)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        watch.stdout.readline()
        target.child.kill()
        target.child.wait()
        _, errors = watch.communicate(timeout=30)
        assert watch.returncode == toolbox.NO_PROCESS, (watch.returncode, errors)
        assert "has ended" in errors, errors


def a_program_that_asks_another_allocator():
    """tcm(7) on Debian's redis: jemalloc's figures say nothing about the
    heap."""
    need_json()
    server, client = map(shutil.which, ["redis-server", "redis-cli"])
    if server is None or client is None or "libjemalloc" not in \
            subprocess.run(["ldd", server], capture_output=True, text=True,
                           check=False).stdout:
        raise Skip("no redis that is linked with jemalloc")
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "socket")

        def ask(*words):
            return subprocess.run([client, "-s", socket, *words], text=True,
                                  capture_output=True, check=False).stdout
        with Target([server, "--port", "0", "--unixsocket", socket, "--save",
                     "", "--dir", folder], ready=False) as target:
            deadline = time.monotonic() + 20
            while "PONG" not in ask("ping"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            ask("eval", "for i = 1, 50000 do redis.call('set', i, "
                "string.rep('x', 200)) end", "0")
            figures = dict(line.split(":", 1)
                           for line in ask("info", "memory").splitlines()
                           if ":" in line)
            truth = read(target.pid)
    used = int(figures["used_memory"])
    assert used > 10 * MIB and truth["in_use_bytes"] >= used * 9 // 10, (
        figures, truth["in_use_bytes"])
    assert int(figures["allocator_allocated"]) < MIB, figures


def differences():
    need_json()
    with Target() as target, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "before.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(stat("--json", target.pid).stdout)
        target.do("fill 4000 4096")
        text = stat("--bytes", "diff", path, target.pid).stdout
        row = re.search(r"in use by the program +(\d+) +(\d+) +\+(\d+)", text)
        before, after, change = map(int, row.groups())
        assert after - before == change and change >= 4000 * 4096, text
        with open(path, "w", encoding="utf-8") as file:
            file.write("{ not JSON")
        assert stat("diff", path, target.pid).returncode == toolbox.FAILED


def all_processes():
    with Target() as one, Target() as two, Target(preload=False) as none:
        text = stat("ps").stdout
        found = {int(line.split()[0]) for line in text.splitlines()[1:]}
        assert {one.pid, two.pid} <= found, text
        assert none.pid not in found, text
        text = stat("--openmetrics", "ps").stdout
        check_metrics(text)
        assert 'pid="%d"' % one.pid in text and 'pid="%d"' % two.pid in text


def check_metrics(text):
    """The text format: families whole, described once, with their names."""
    seen, family, kind = set(), None, None
    lines = text.splitlines()
    assert lines[-1] == "# EOF"
    for line in lines[:-1]:
        if line.startswith("# TYPE "):
            family, kind = line.split()[2:]
            assert family not in seen, family
            seen.add(family)
        elif line.startswith("# UNIT "):
            assert family.endswith("_" + line.split()[3]), line
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'(\w+)\{(\w+="(?:[^"\\]|\\.)*",?)+\} (\d+)',
                                 line)
            assert match, line
            suffix = "_total" if kind == "counter" else ""
            assert match.group(1) == family + suffix, line
    return seen


def metrics():
    with Target() as target:
        target.do("fill 100 100")
        text = stat("--openmetrics", target.pid).stdout
        families = check_metrics(text)
        assert "tcm_mapped_bytes" in families
        parts = re.findall(r'tcm_heap_bytes\{.*part="\w+"\} (\d+)', text)
        whole = re.search(r"tcm_mapped_bytes\{.*\} (\d+)", text)
        assert len(parts) == 7
        assert sum(map(int, parts)) == int(whole.group(1))


# ---- What people type ------------------------------------------------------------
def by_name():
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "tcm-named")
        shutil.copy(PROGRAM, program)
        with Target([program]) as one:
            assert "PID %d" % one.pid in stat("tcm-named").stdout
            with Target([program]) as two:
                text = stat("show", "--seconds=0", "tcm-named").stdout
                assert "PID %d" % one.pid in text, text
                assert "PID %d" % two.pid in text, text
                done = stat("watch", "tcm-named")
                assert done.returncode == toolbox.USAGE, done
                assert re.search("%d  %s" % (two.pid, program), done.stderr)
        with Target([program], preload=False):
            expect(toolbox.NOT_TCM, "none of the 1 processes named tcm-named",
                   "tcm-named")
    expect(toolbox.NO_PROCESS, "no process named tcm-named", "tcm-named")


def hints():
    for wrong, right in [("--jsn", "--json"), ("--secnds=1", "--seconds")]:
        expect(toolbox.USAGE, "mean %s" % right, wrong, "1")
    expect(toolbox.USAGE, "no such option", "--zzzzzz", "1")
    expect(toolbox.USAGE, "did you mean classes", "clases", "1")
    with Target() as target:
        expect(toolbox.USAGE, "perhaps messages", "set", target.pid,
               "mesages=1")


def options_that_do_not_apply():
    for command, option in [("classes", "--seconds=1"), ("ps", "--pages"),
                            ("release", "--json"), ("watch", "--timeout=1"),
                            ("watch", "--openmetrics"), ("show", "--count=2")]:
        expect(toolbox.USAGE, "%s does not take %s"
               % (command, option.split("=", maxsplit=1)[0]), option, command,
               *([] if command == "ps" else ["1"]))


def arguments_in_ps():
    word = "a" * 100
    with Target([PROGRAM, word, "end"]) as target:
        text = stat("ps").stdout
        assert re.search("%d .*%s %s end$" % (target.pid, PROGRAM, word), text,
                         re.M), text


def classes_by_waste():
    need_json()
    with Target() as target, tempfile.TemporaryDirectory() as folder:
        target.do("fill 20000 500")
        target.do("sparse")
        target.do("fill 1000 3000")
        rows = stat("classes", target.pid).stdout.splitlines()
        assert rows[1].split()[0] == "512", rows
        assert re.search(r"\[#*\++\]", rows[1]), rows
        path = os.path.join(folder, "saved")
        with open(path, "w", encoding="ascii") as file:
            file.write(stat("json", target.pid).stdout)
        assert stat("classes", path).stdout.splitlines() == rows


def growth_by_class():
    need_json()
    with Target() as target, tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "saved")
        with open(path, "w", encoding="ascii") as file:
            file.write(stat("--json", target.pid).stdout)
        target.do("fill 2000 1024")
        target.do("fill 9000 100")
        text = stat("--bytes", "diff", path, target.pid).stdout
        rows = text.split("BLOCKS IN USE")[1].splitlines()[1:]
        assert rows[0].split()[0] == "1024", text
        growth = rows[0].split()
        assert int(growth[3]) == 1024 * (int(growth[2]) - int(growth[1]))
        assert int(growth[3]) >= 2000 * 1024, text


# ---- Requests ------------------------------------------------------------------------
def release_when_it_allocates():
    need_json()
    with Target() as target:
        target.do("fill 20000 2000")
        target.do("empty")
        before = read(target.pid)
        assert before["page_heap_bytes"] > 10 * MIB, before
        asking = subprocess.Popen([toolbox.STAT, "release", str(target.pid)],
                                  stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while asking.poll() is None and time.monotonic() < deadline:
            target.do("malloc")
        assert asking.communicate()[0].endswith("returned to the OS\n")
        assert asking.returncode == toolbox.OK
        after = read(target.pid)
        assert after["page_heap_bytes"] < before["page_heap_bytes"] // 5
        assert after["counters"]["releases"] == 1


def an_idle_process_is_waited_for():
    with Target() as target:
        target.do("fill 100 100")
        expect(toolbox.WAITS, "the request waits in", "release", target.pid,
               "--timeout=0.2")
        expect(toolbox.WAITS, "an earlier request waits", "release",
               target.pid, "--timeout=0.2")


def an_idle_process_returns_what_it_has():
    """Within a second: tcm's background thread notices the request."""
    need_json()
    with Target() as target:
        target.do("fill 20000 2000")
        target.do("empty")
        began = time.monotonic()
        done = stat("release", target.pid)
        took = time.monotonic() - began
        assert done.returncode == toolbox.OK, done
        # A busy machine may be late, but not by the seconds of a round.
        assert took < 1.5, took
        assert read(target.pid)["page_heap_bytes"] < MIB


def need_gdb():
    """gdb can call functions in a process.  An old gdb cannot on a processor
    whose registers it does not know."""
    if shutil.which("gdb") is None:
        raise Skip("no gdb here")
    with subprocess.Popen(["sleep", "60"]) as plain:
        done = subprocess.run(
            ["gdb", "-p", str(plain.pid), "-batch", "-ex",
             "call (int) getpid()"], timeout=60, check=False,
            capture_output=True, text=True)
        plain.kill()
    if done.returncode != 0:
        raise Skip("gdb cannot call a function here: "
                   + done.stderr.strip().splitlines()[-1])


def a_debugger_instead_of_a_thread():
    """The command is that of the man page."""
    need_json()
    need_gdb()
    with open(os.path.join(os.environ["TEST_SRCDIR"], "man/tcm-stat.1"),
              encoding="utf-8") as page:
        command = re.search(r"^gdb .*$", page.read(), re.M).group(0)
    with Target(env={"TCM_BACKGROUND": "0"}) as target:
        target.do("fill 20000 2000")
        target.do("empty")
        expect(toolbox.WAITS, "forbids tcm's thread.*how a debugger can",
               "release", target.pid, "--timeout=0.2")
        subprocess.run(command.replace("\\-", "-").replace(
            "PID", str(target.pid)), shell=True, check=True, timeout=60,
            capture_output=True)
        assert read(target.pid)["page_heap_bytes"] < MIB


def set_an_option():
    need_json()
    with Target() as target:
        target.do("threads 1")
        done = stat("set", target.pid, "cache_total_bytes=64M")
        assert done.returncode == toolbox.OK, done
        assert read(target.pid)["options"]["cache_total_bytes"] == {
            "value": 64 * MIB, "source": "request"}
        expect(toolbox.REFUSED, "a number from", "set", target.pid,
               "thread_cache_bytes=1")
        expect(toolbox.REFUSED, "fixed when", "set", target.pid, "check=1")
        expect(toolbox.USAGE, "nonsense: no such option; tcm", "set",
               target.pid, "nonsense=1")
        expect(toolbox.USAGE, "NAME=VALUE", "set", target.pid, "messages")


def many_at_once():
    """Each of several tools is served or gets an error."""
    with Target() as target:
        target.do("threads 2")
        tools = [subprocess.Popen([toolbox.STAT, "release", str(target.pid),
                                   "--timeout=20"],
                                  stdout=subprocess.DEVNULL,
                                  stderr=subprocess.PIPE, text=True)
                 for _ in range(8)]
        for tool in tools:
            errors = tool.communicate(timeout=120)[1]
            assert tool.returncode in (toolbox.OK, toolbox.REFUSED,
                                       toolbox.WAITS), (tool.returncode, errors)
        target.do("malloc")


toolbox.main([
    parts_are_the_whole, residency_is_predicted,
    agrees_with_the_process_itself, json_of_the_process_itself,
    the_document_is_described, counts_every_allocation_if_asked,
    threads_are_told_apart, options_and_their_source, a_stopped_process,
    a_static_program, core_files, another_mount_namespace, a_deleted_library,
    no_such_process, a_zombie, a_process_that_is_exiting,
    not_tcm, another_version, no_permission, why_there_is_no_permission, usage,
    a_full_disk, lines_are_narrow, colors, spans_map, watch_counts,
    watch_ends_with_the_target, a_program_that_asks_another_allocator, differences,
    all_processes, metrics,
    release_when_it_allocates, an_idle_process_is_waited_for,
    an_idle_process_returns_what_it_has,
    a_debugger_instead_of_a_thread, set_an_option, by_name, hints,
    options_that_do_not_apply, arguments_in_ps, classes_by_waste,
    growth_by_class, many_at_once])
