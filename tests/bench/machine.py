# SPDX-License-Identifier: BSD-2-Clause
"""Describes the machine that runs the benchmark, and finds the allocators.

Two result files may be compared only if machine() was the same for both.
"""
import glob
import hashlib
import hmac
import os
import platform
import re
import subprocess

# The peers that Debian packages, by the soname of each release, the newest
# last; the dynamic linker finds them.
PEERS = {
    "gperftools": ("libtcmalloc_minimal.so.4",),
    "jemalloc": ("libjemalloc.so.2",),
    "mimalloc": ("libmimalloc.so.2.0", "libmimalloc.so.2", "libmimalloc.so.3"),
}
PACKAGES = {
    "gperftools": "libtcmalloc-minimal4",
    "jemalloc": "libjemalloc2",
    "mimalloc": "libmimalloc2.0",
}
FAMILY = ("malloc", "free", "calloc", "realloc")


class NotServed(Exception):
    """An allocator other than the intended one served a process."""


class Allocator:
    """One allocator: preload is what LD_PRELOAD gets, None for libc's."""

    def __init__(self, name, preload, variables=None):
        self.name = name
        self.preload = preload
        self.variables = dict(variables or {})
        self.no_huge_pages = False
        self.path = None   # of the object that serves, as seen from inside

    def described(self):
        with open(self.path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        package = package_of(self.path)
        # The result must not show the path of anyone's build folder.
        path = self.path if package else os.path.basename(self.path)
        return {"path": path, "package": package, "sha256": digest,
                "bytes": os.path.getsize(self.path),
                "variables": self.variables}


def clean_environment(directory):
    """The same few variables for every run: their size moves the stack, and
    an allocator's own would change what is measured."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C",
            "HOME": directory, "TMPDIR": directory}


def output_of(*words):
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def package_of(path):
    """Name and version of the distribution's package that owns `path`."""
    for candidate in (path, os.path.realpath(path)):
        # A merged /usr is recorded under the name without it.
        for name in (candidate, re.sub(r"^/usr(?=/)", "", candidate),
                     "/usr" + candidate):
            owner = output_of("dpkg", "-S", name).split(": ")[0]
            if owner:
                return output_of("dpkg-query", "-W",
                                 "-f=${Package} ${Version}", owner)
            owner = output_of("rpm", "-qf", name)
            if owner:
                return owner
    return None


def first_line(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().strip()
    except OSError:
        return None


def cpu_model():
    models = {}
    for line in output_of("lscpu").splitlines():
        name, _, value = line.partition(":")
        models[name.strip()] = value.strip()
    words = [models.get("Model name") or platform.machine()]
    for name in ("CPU family", "Model", "Stepping"):
        if models.get(name):
            words.append(f"{name.lower()} {models[name]}")
    return ", ".join(words)


def memory_mib():
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"MemTotal:\s+(\d+)", file.read()).group(1)) >> 10


def transparent_huge_pages():
    """The kernel's settings, the chosen word of each."""
    base = "/sys/kernel/mm/transparent_hugepage"
    settings = {}
    for path in sorted(glob.glob(base + "/enabled")
                       + glob.glob(base + "/defrag")
                       + glob.glob(base + "/hugepages-*/enabled")):
        match = re.search(r"\[(\S+)\]", first_line(path) or "")
        if match:
            settings[path[len(base) + 1:]] = match.group(1)
    return settings


def machine():
    """Whatever makes numbers incomparable when it differs."""
    secret = (first_line("/etc/machine-id") or "none").encode()
    return {
        # Distinguishes two machines of one model without revealing the id.
        "id": hmac.new(secret, b"tcm benchmark", "sha256").hexdigest()[:16],
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mib": memory_mib(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "thp": transparent_huge_pages(),
    }


def commit(source_directory):
    """The commit that is checked out, with "+" if it was changed; "unknown" in
    a tarball."""
    revision = output_of("git", "-C", source_directory, "rev-parse", "HEAD")
    if not revision:
        return "unknown"
    changed = output_of("git", "-C", source_directory, "status", "--porcelain")
    return revision + ("+" if changed else "")


def fields(line):
    """The NAME=VALUE words of a line that a helper program printed."""
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def served_by(workload, allocator, directory):
    """The object that malloc comes from in a process with `allocator`."""
    environment = clean_environment(directory)
    environment.update(allocator.variables)
    if allocator.preload:
        environment["LD_PRELOAD"] = allocator.preload
    done = subprocess.run([workload, "where"], env=environment, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    if done.returncode != 0 or "ld.so" in done.stderr:
        return None
    return os.path.realpath(fields(done.stdout).get("malloc", "-"))


def find_allocators(workload, tcm, without, added, directory):
    """(allocators in the order of the table, names of those not found)."""
    libc = Allocator("glibc", None)
    libc.path = served_by(workload, libc, directory)
    if libc.path is None or not os.path.basename(libc.path).startswith("libc"):
        raise NotServed(f"without a preload malloc comes from {libc.path}")
    found, missing = [libc], []
    wanted = [("tcm", (tcm,), {})]
    wanted += [(name, names, {}) for name, names in PEERS.items()]
    wanted += [(name, (path,), variables) for name, path, variables in added]
    for name, names, variables in wanted:
        if name in without:
            continue
        for preload in names:
            allocator = Allocator(name, preload, variables)
            path = preload and served_by(workload, allocator, directory)
            if path and path != libc.path:
                allocator.path = path
                found.append(allocator)
                break
        else:
            missing.append(name)
    return [item for item in found if item.name not in without], missing


BINDING = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: "
                     r"\S+ symbol [`'](\w+)'")


def check_bindings(text, path):
    """Whether the dynamic linker's log `text` of one process image shows that
    `path` serves it: every object but the allocator itself binds malloc and its
    family to `path`, or to a stub in the program that is bound to `path`.
    Raises NotServed otherwise."""
    bindings = [(os.path.realpath(user), os.path.realpath(target), symbol)
                for user, target, symbol in BINDING.findall(text)
                if symbol in FAMILY]
    served = {(user, symbol) for user, target, symbol in bindings
              if target == path}
    for user, target, symbol in bindings:
        if path not in (user, target) and (target, symbol) not in served:
            raise NotServed(f"{user} takes {symbol} from {target}, "
                            f"not from {path}")
    if not served:
        raise NotServed("no use of malloc seen")


def proof_environment(directory):
    """Variables that make the dynamic linker write its log into files named
    bindings.PID in `directory`."""
    return {"LD_DEBUG": "bindings", "LD_BIND_NOW": "1",
            "LD_DEBUG_OUTPUT": os.path.join(directory, "bindings")}


def check_proof(directory, path):
    """check_bindings() of every process image that wrote a log."""
    accounts = glob.glob(os.path.join(directory, "bindings.*"))
    if not accounts:
        raise NotServed("the dynamic linker left no account")
    for account in accounts:
        with open(account, encoding="utf-8", errors="replace") as file:
            check_bindings(file.read(), path)
        os.unlink(account)
