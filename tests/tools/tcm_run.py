# SPDX-License-Identifier: BSD-2-Clause
"""tcm-run: the program runs on tcm, or a sentence says why it does not."""
import os
import shutil
import subprocess
import tempfile

import toolbox
from toolbox import Skip

FAILED, CANNOT_RUN, NOT_FOUND = 125, 126, 127
MAPPED = ["grep", "-c", "libtcm.so", "/proc/self/maps"]


def run(*arguments, library=True, env=None):
    command = [toolbox.RUN] + (["-l", toolbox.LIBRARY] if library else [])
    return subprocess.run(command + list(arguments), capture_output=True,
                          env=toolbox.environment(False, **(env or {})),
                          text=True, timeout=60, check=False)


def refused(status, sentence, *arguments, **keywords):
    done = run(*arguments, **keywords)
    assert done.returncode == status, (status, done)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("tcm-run: ") and sentence in last, done.stderr


def the_program_runs_on_tcm():
    done = run(*MAPPED)
    assert done.returncode == 0 and int(done.stdout) > 0, done
    done = run("--", "sh", "-c", "exit 7")
    assert done.returncode == 7, done
    done = run("sh", "-c", "echo $0 $*", "-s", "--help")
    assert done.stdout == "-s --help\n", done


def what_was_preloaded_stays():
    done = run("sh", "-c", "echo $LD_PRELOAD",
               env={"LD_PRELOAD": "libm.so.6"})
    assert done.stdout == toolbox.LIBRARY + ":libm.so.6\n", done


def options_reach_the_program():
    done = run("-o", "thread_cache_bytes=1M", "--option=messages=0", "sh",
               "-c", "echo $TCM_THREAD_CACHE_BYTES $TCM_MESSAGES")
    assert done.stdout == "1M 0\n", done
    done = run("-o", "profile_dir=/", "sh", "-c", "echo $TCM_PROFILE_DIR")
    assert done.stdout == "/\n", done
    for wrong in ["nonsense=1", "check=4", "check=x", "check", "=1",
                  "thread_cache_bytes=99999999T", "profile_dir=relative",
                  "profile_dir=", "profile_dir", "profile_di=/"]:
        refused(FAILED, "", "-o", wrong, "true")


def a_report_at_exit():
    done = run("-s", "sort", "/dev/null")  # sort closes its standard error
    assert done.returncode == 0, done
    assert "Bytes in use by application" in done.stderr, done.stderr
    assert done.stdout == "", done.stdout
    assert run("true").stderr == ""


def no_program():
    refused(FAILED, "no program")
    refused(NOT_FOUND, "not found", "no-such-program-anywhere")
    refused(NOT_FOUND, "No such file", "/no/such/program")
    refused(CANNOT_RUN, "", "/")
    refused(FAILED, "/no/library", "-l", "/no/library.so", "true",
            library=False)


def build(folder, name, *flags):
    source = os.path.join(folder, "program.c")
    program = os.path.join(folder, name)
    with open(source, "w", encoding="ascii") as file:
        file.write("int main(void) { return 0; }\n")
    done = subprocess.run(os.environ["CC"].split() +
                          list(flags) + ["-o", program, source],
                          capture_output=True, check=False)
    return program if done.returncode == 0 else None


def sanitizers_are_refused():
    tried = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in ["address", "thread"]:
            program = build(folder, kind, "-fsanitize=" + kind)
            if program is None:
                continue
            refused(CANNOT_RUN, kind + " sanitizer", program)
            tried += 1
    refused(CANNOT_RUN, "sanitizer", "true",
            env={"LD_PRELOAD": "/nowhere/libasan.so.8"})
    if tried == 0:
        raise Skip("no sanitizers here")


def refuses_static_and_privileged_programs():
    with tempfile.TemporaryDirectory() as folder:
        program = build(folder, "static", "-static")
        if program is not None:
            refused(CANNOT_RUN, "statically", program)
        program = build(folder, "plain")
        os.chmod(program, 0o4755)
        refused(CANNOT_RUN, "set-user-ID", program)


def help_and_version():
    done = run("--help", library=False)
    assert done.returncode == 0 and "Usage: tcm-run" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert run("--version", library=False).stdout.startswith("tcm-run ")
    assert run("--wrong", library=False).returncode == FAILED


WORDS = ["--json", "--openmetrics", "--timeout", "classes", "release",
         "watch", "--stats", "--option"]


def completions():
    """bash offers options and commands, some of which WORDS lists."""
    if shutil.which("bash") is None:
        raise Skip("no bash")
    script = os.path.join(os.environ["TEST_SRCDIR"], "tools/tcm.bash")
    offered = subprocess.run(
        ["bash", "-c", """
         . "$1"
         COMP_WORDS=(tcm-stat --) COMP_CWORD=1
         _tcm_stat "$2"; printf '%s\\n' "${COMPREPLY[@]}"
         COMP_WORDS=(tcm-stat '') COMP_CWORD=1
         _tcm_stat "$2"; printf '%s\\n' "${COMPREPLY[@]}"
         COMP_WORDS=(tcm-run --) COMP_CWORD=1
         _tcm_run "$3"; printf '%s\\n' "${COMPREPLY[@]}"
         """, "bash", script, toolbox.STAT, toolbox.RUN],
        capture_output=True, text=True, check=True).stdout.split()
    for word in WORDS:
        assert word in offered, (word, offered)


def path_with_tools():
    return dict(os.environ, PATH=os.pathsep.join(
        [os.path.dirname(toolbox.STAT), os.environ["PATH"]]))


def completions_of_fish():
    if shutil.which("fish") is None:
        raise Skip("no fish")
    script = os.path.join(os.environ["TEST_SRCDIR"], "tools/tcm.fish")
    lines = "; ".join(f"complete -C '{line}'" for line in
                      ["tcm-stat ", "tcm-stat --", "tcm-run --"])
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; {lines}"],
        capture_output=True, text=True, check=True, env=path_with_tools())
    offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
    for word in WORDS:
        assert word in offered, (word, offered, done.stderr)


def completions_of_zsh():
    """The arguments of compadd, because a real completion needs a terminal."""
    if shutil.which("zsh") is None:
        raise Skip("no zsh")
    script = os.path.join(os.environ["TEST_SRCDIR"], "tools/tcm.zsh")
    done = subprocess.run(
        ["zsh", "-f", "-c", """
         compadd() { print -l -- $@ }
         _files() { }
         _command_names() { print commands }
         service=tcm-stat words=(tcm-stat '') CURRENT=2; . $1
         service=tcm-stat words=(tcm-stat --) CURRENT=2; . $1
         service=tcm-run words=(tcm-run --) CURRENT=2; . $1
         service=tcm-run words=(tcm-run '') CURRENT=2; . $1
         """, "zsh", script],
        capture_output=True, text=True, check=True, env=path_with_tools())
    offered = done.stdout.split()
    for word in WORDS + ["commands"]:
        assert word in offered, (word, offered, done.stderr)


if not os.path.exists(toolbox.RUN):
    print("skip: there is no tcm-run in this build")
    raise SystemExit(77)
toolbox.main([
    the_program_runs_on_tcm, what_was_preloaded_stays,
    options_reach_the_program, a_report_at_exit, no_program,
    sanitizers_are_refused, refuses_static_and_privileged_programs,
    help_and_version, completions, completions_of_fish, completions_of_zsh])
