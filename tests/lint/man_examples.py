# SPDX-License-Identifier: BSD-2-Clause
"""The examples of the manual pages work.

The lint takes the text between the marks SRC BEGIN (name) and SRC END out of
the page.  The name determines how the text is tested:

  *.c              compiled without a warning, linked with the built library,
                   and run: it must succeed
  *.out            compared with what the program of that name prints
  override.conf    read as a drop-in of systemd
  nginx.conf       read by nginx, if that is installed
  Dockerfile       read line by line; its commands by the shell

The shell reads the commands after a prompt, but runs none.  Each page of
section 3 has a program.
"""
import configparser
import os
import re
import shutil
import sys
import tempfile

import lint
import manpage

SECONDS = 60
INSTRUCTIONS = {"FROM", "RUN", "COPY", "ENV", "CMD", "ENTRYPOINT"}
missing = []


def clean_environment():
    """The environment without options of tcm and without a preload."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("TCM_") and name != "LD_PRELOAD"}


def put(root, name, text):
    path = os.path.join(root, name)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def compile_program(where, source, library):
    program = source[:-len(".c")]
    result = lint.run(
        lint.tool("CC", "cc") + lint.tool("CFLAGS", "-O2") +
        ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread",
         "-I" + os.path.join(lint.srcdir(), "include"), source,
         library, "-Wl,-rpath," + os.path.dirname(library), "-o", program])
    if result.returncode != 0:
        lint.complain("%s: does not compile:\n%s" % (where, result.stderr))
        return None
    return program


def try_program(where, root, name, text, library, expected):
    program = compile_program(where, put(root, name, text), library)
    if program is None:
        return
    result = lint.run([program], env=clean_environment(), timeout=SECONDS)
    if result.returncode != 0 or result.stderr:
        lint.complain("%s: status %d\n%s%s" % (
            where, result.returncode, result.stdout, result.stderr))
    elif expected is not None and result.stdout != expected:
        lint.complain("%s: prints\n%snot what the page says:\n%s"
                      % (where, result.stdout, expected))


def try_drop_in(where, text):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    try:
        parser.read_string(text)
    except configparser.Error as error:
        lint.complain("%s: %s" % (where, error))
        return
    settings = re.findall(r"^Environment=(\w+)=\S+$", text, re.M)
    if parser.sections() != ["Service"] or "LD_PRELOAD" not in settings or \
            set(parser["Service"]) != {"Environment"}:
        lint.complain("%s: not a drop-in that preloads" % where)


def try_nginx(where, root, text):
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") +
                         ":/usr/sbin:/usr/local/sbin")
    if nginx is None:
        missing.append("nginx")
        return
    path = put(root, "nginx.conf", text + "events {}\npid %s/pid;\n"
               "error_log stderr;\n" % root)
    command = [nginx, "-t", "-p", root, "-c", path]
    # Without -e, nginx opens its built-in log before it reads anything; nginx
    # before 1.19.5 has no -e.
    result = lint.run(command + ["-e", "stderr"], timeout=SECONDS)
    if "invalid option" in result.stderr:
        result = lint.run(command, timeout=SECONDS)
    if result.returncode != 0:
        lint.complain("%s: nginx says\n%s" % (where, result.stderr))


def read_by_shell(where, command):
    result = lint.run(["sh", "-n", "-c", command])
    if result.returncode != 0:
        lint.complain("%s: sh says\n%s" % (where, result.stderr))


def try_dockerfile(where, text):
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if line and word not in INSTRUCTIONS:
            lint.complain("%s: no instruction: %s" % (where, line))
        if word == "RUN":
            read_by_shell(where, rest)


def try_sample(page, root, library, samples, sample):
    name, text, line = sample
    where = "%s:%d: %s" % (page.path, line, name)
    if name.endswith(".c"):
        expected = samples.get(name[:-len("c")] + "out")
        try_program(where, root, name, text, library, expected)
    elif name.endswith(".out") and name[:-len("out")] + "c" in samples:
        pass
    elif name == "override.conf":
        try_drop_in(where, text)
    elif name == "nginx.conf":
        try_nginx(where, root, text)
    elif name == "Dockerfile":
        try_dockerfile(where, text)
    else:
        lint.complain("%s: no way to try that" % where)


def prompts(page):
    """The commands after "$ " or "# " in examples, with their next lines."""
    literal, command = False, None
    for line in page.lines:
        macro, text = manpage.rendered(line)
        if macro in ("EX", "EE"):
            literal = macro == "EX"
        elif literal and macro is None and command is not None:
            command += "\n" + text
        elif literal and macro is None and text.startswith(("$ ", "# ")):
            command = text[2:]
        if command is not None and not command.endswith("\\"):
            yield command
            command = None


def try_page(page, library):
    found = page.samples()
    samples = {name: text for name, text, _ in found}
    if page.section == "3" and not any(n.endswith(".c") for n in samples):
        lint.complain("%s: no program among its examples" % page.path)
    root = tempfile.mkdtemp()
    try:
        for sample in found:
            try_sample(page, root, library, samples, sample)
    finally:
        shutil.rmtree(root)
    for command in prompts(page):
        read_by_shell(page.path, command)
    return len(found)


def main():
    library = lint.library()
    pages = [page for page in manpage.pages() if page.alias_of is None]
    lint.finish(sum(try_page(page, library) for page in pages), "examples",
                missing)


sys.exit(main())
