# SPDX-License-Identifier: BSD-2-Clause
"""For can_fail.py: small trees on which the lints of the manual pages must
find a fault, or none."""

HEADER = """\
/**
 * Do it.
 *
 * Returns: 0, or -1 with errno EINVAL.
 * Source: lib/api/tcm.c.  Since 0.1.
 */
int tcm_f(int how, struct tcm_s *s) TCM_NOTHROW;

struct tcm_s {
  int a; /* [const] */
  int b; /* [const] */
};
"""
TABLE = """\
.TS
allbox;
l l l.
Interface\tAttribute\tValue
T{
\\fBtcm_f\\fP()
T}\tThread safety\tMT-Safe
\\^\tSignal safety\tAS-Unsafe lock
.TE
"""
PAGE_3 = """\
'\\" t
.\\" SPDX-License-Identifier: BSD-2-Clause
.TH tcm_f 3 2000-01-31 tcm "tcm library"
.SH NAME
tcm_f \\- do it
.SH LIBRARY
tcm
.SH SYNOPSIS
.nf
.B #include <tcm.h>
.PP
.BI "int tcm_f(int " how ,
.BI "          struct tcm_s *" s );
.fi
.SH DESCRIPTION
It does it.
.SH RETURN VALUE
0, or \\-1.
.SH ERRORS
.TP
.B EINVAL
.RB ( tcm_f ())
.I how
is wrong.
.SH ATTRIBUTES
%s.SH STANDARDS
None.
.SH HISTORY
tcm 0.1.
.SH EXAMPLES
.EX
.\\" SRC BEGIN (f.c)
#include <stdio.h>
#include <tcm.h>

int
main(void)
{
  printf("%%d\\en", tcm_f(1, NULL));
  return 0;
}
.\\" SRC END
.EE
It prints
.EX
.\\" SRC BEGIN (f.out)
0
.\\" SRC END
$ \\fBls \\-l | \\e
  wc\\fP
.EE
.SH SEE ALSO
.BR tcm_s (3),
.BR tcm (7)
""" % TABLE
PAGE_STRUCT = PAGE_3.replace("tcm_f", "tcm_s").replace(
    "It does it.", ".TP\n.I a\nOne.\n.TP\n.I b\nAnother.")
PAGE_7 = """\
.\\" SPDX-License-Identifier: BSD-2-Clause
.TH tcm 7 2000-01-31 tcm "tcm overview"
.SH NAME
tcm \\- all of it
.SH DESCRIPTION
.SS What it replaces
.BR malloc ,
.B free
.SS Wrong pointers
.TP
.B double free
Twice.
.SH ENVIRONMENT
.TP
.B TCM_COLOUR
Some help.
.IP
Default 1, from 0 to 2; can be set at run time.
.SH SEE ALSO
.BR tcm_f (3),
.BR tcm\\-internals (7)
"""
INTERNALS = """\
.\\" SPDX-License-Identifier: BSD-2-Clause
.TH tcm\\-internals 7 2000-01-31 tcm "tcm internals"
.SH NAME
tcm\\-internals \\- inside
.SH DESCRIPTION
.BR tcmi_start ()
in
.I lib/api/tcm.c
knows
.BR BLOCK_MAX .
.EX
    INIT < CENTRAL[c]
.EE
.SH SEE ALSO
.BR tcm (7)
"""
SOURCE = """\
#define BLOCK_MAX 1
void
tcmi_start(void)
{
  fail("double "
       "free");
}
"""
OPTION = 'OPTION(colour, %d, 0, 2, 0, "Some "\n "help.")\n'
TEXT_OPTION = 'TEXT_OPTION(taste, "Some "\n "help.")\n'

PAGES = {"man/tcm_f.3": PAGE_3, "man/tcm.7": PAGE_7}
WHOLE = {
    "include/tcm.h": HEADER.replace("int tcm_f", "/** As tcm_f(). Since 0.1. "
                                    "*/\nint tcm_s(int how, struct tcm_s *s);"
                                    "\n/** EINVAL.  Since 0.1. */\nint tcm_f"),
    "lib/api/tcm.c": SOURCE,
    "lib/base/lock.h": "/*\n *     INIT < CENTRAL[c]\n */\n",
    "lib/base/options.def": OPTION % 1,
    "tests/lint/exports.txt": "free\nmalloc\n_Znwm\ntcm_f@@TCM_1.0\n",
    "configure.ac": "AC_SUBST([TCM_VERSION_INFO], [3:1:1])\n",
    "man/local.mk": "man/tcm_f.3 man/tcm_s.3 man/tcm.7 man/tcm-internals.7\n",
    "man/tcm_f.3": PAGE_3, "man/tcm_s.3": PAGE_STRUCT, "man/tcm.7": PAGE_7,
    "man/tcm-internals.7": INTERNALS}


def changed(path, *pairs):
    """A fault: a file of the whole tree with some words replaced."""
    text = WHOLE[path]
    for before, after in pairs:
        assert before in text, before
        text = text.replace(before, after)
    return {path: text}


def symbols(fault, words):
    return ("man_symbols", WHOLE, fault, words)


def looks(fault, words):
    return ("man_lint", PAGES, fault, words)


H, F, O, I = ("include/tcm.h", "man/tcm_f.3", "man/tcm.7",
              "man/tcm-internals.7")
G = "\n/** Since 0.1. */\nint tcm_g(void);\nint tcm_f"

SOURCE_CASES = [
    symbols(changed(H, ("\nint tcm_f", G)), "no page or alias for tcm_g"),
    symbols(changed(H, ("int tcm_f", "int tcm_h")),
            "tcm_f.3: tcm.h does not declare that"),
    symbols({"man/tcm_i.3": ".so man3/tcm_f.3\n"},
            "man/tcm_i.3: missing in man/local.mk"),
    symbols(dict(changed("man/local.mk", ("man/tcm_f.3",
                                          "man/tcm_f.3 man/tcm_g.3")),
                 **dict(changed(H, ("\nint tcm_f", G)),
                        **{"man/tcm_g.3": ".so man3/tcm_f.3\n"})),
            "NAME lacks its alias tcm_g"),
    symbols(changed(H, ("tcm_f(int how", "tcm_f(long how")),
            "SYNOPSIS has not: int tcm_f(long how"),
    symbols(changed(H, ("EINVAL.", "EINVAL or EPERM.")),
            "ERRORS lacks EPERM of tcm_f()"),
    symbols(changed(F, (".B EINVAL", ".B EINVAL\n.RB ( tcm_f ())\nNo.\n.TP\n"
                        ".B EBUSY")), "ERRORS has EBUSY, tcm.h not: tcm_f"),
    symbols(changed(H, ("EINVAL.", "EINVAL.  async-signal-safe.")),
            "the signal safety of tcm_f() is AS-Unsafe"),
    symbols(changed(H, ("EINVAL.  Since 0.1", "EINVAL.  Since 0.2")),
            "HISTORY has not the version of tcm_f"),
    symbols(changed(H, ("  int b;", "  int b, c;")),
            "struct tcm_s has the fields"),
    symbols({"lib/base/options.def": OPTION % 2}, "It should say: Default 2"),
    symbols({"lib/base/options.def": OPTION % 1 +
             (OPTION % 1).replace("colour", "taste")},
            "ENVIRONMENT lacks TCM_TASTE"),
    symbols({"lib/base/options.def": OPTION % 1 + TEXT_OPTION},
            "ENVIRONMENT lacks TCM_TASTE"),
    symbols({"lib/base/options.def":
             TEXT_OPTION.replace("taste", "colour")},
            "It should say: No default"),
    symbols({"lib/base/options.def": ""}, "there is no option TCM_COLOUR"),
    symbols({"tests/lint/exports.txt": "free\nmalloc\ncalloc\n"},
            "calloc: replaced, but not told"),
    symbols({"tests/lint/exports.txt": "malloc\n"}, "free: not exported"),
    symbols({"lib/api/tcm.c": SOURCE.replace("double ", "triple ")},
            "no such line in lib/: double free"),
    symbols(changed(O, ("Some help.", "See libtcm.so.3.")),
            "the library is libtcm.so.2"),
    symbols(changed(O, ("Some help.", "Not TCM_FLAVOUR.")),
            "nothing is called TCM_FLAVOUR"),
    symbols(changed(O, (".BR tcm_f (3)", ".BR tcm_x (3)")),
            "no such page: tcm_x(3)"),
    symbols({"lib/api/tcm.c": SOURCE.replace("start", "begin")},
            "no such function: tcmi_start()"),
    symbols({"lib/api/tcm.c": SOURCE.replace("BLOCK_MAX", "BLOCK_MIN")},
            "no such constant: BLOCK_MAX"),
    symbols(changed(I, ("tcm.c", "tcn.c")), "no such file: lib/api/tcn.c"),
    symbols({"lib/base/lock.h": "/*\n *     INIT < X < CENTRAL[c]\n */\n"},
            "the order of locks is INIT < X < CENTRAL[c]"),
    looks(changed(F, (".SH HISTORY\ntcm 0.1.\n", "")), "no section HISTORY"),
    looks({F: PAGE_3.replace(".SH STANDARDS\nNone.\n", "").replace(
        ".SH LIBRARY", ".SH STANDARDS\nNone.\n.SH LIBRARY")},
        "STANDARDS stands before LIBRARY"),
    looks(changed(F, ("None.", "None.\n.SH THANKS\nAll.")),
          "no section of man-pages(7): THANKS"),
    looks(changed(F, ("TH tcm_f 3", "TH tcm_f 2")), "no heading such as"),
    looks(changed(F, ("ls \\-l", "ls \\-l " + "x" * 70)), "an example of"),
    looks(changed(O, (".BR tcm_f (3),", ".BR tcm_f (7),\n.BR a (3),")),
          "SEE ALSO is not in order"),
    # Each tool finds at least one of these.
    looks(changed(F, (".SH LIBRARY", ".SH LIBRARY\n.PP")), "mandoc says"),
    looks(changed(F, ("It does it.", ".XX It does it.")), "groff says"),
    looks(changed(F, ("It does it.", ".XX It does it.")), "man says"),
    looks(changed(F, ("tcm_f \\-", "tcm_f,tcm_g, \\-")), "lexgrog finds"),
    looks({"man/tcm_g.3": ".so man3/tcm_h.3\n"}, "man does not show"),
]

LIBRARY = "int tcm_f(int a, void *b);\n" \
    "int tcm_f(int a, void *b) { (void)a; (void)b; return %d; }\n"
CODE = {"man/tcm_f.3": PAGE_3, "include/tcm.h": HEADER.replace(
    " TCM_NOTHROW", "").replace("/**", "struct tcm_s;\n/**")}


def example(*pairs):
    text = PAGE_3
    for before, after in pairs:
        assert before in text, before
        text = text.replace(before, after)
    return [("man/tcm_f.3", None, text)]


def build_cases(shared):
    """@shared makes a recipe for libtcm.so of a source."""
    sound = [shared(LIBRARY % 0, "-fvisibility=default")]
    return [("man_examples", CODE, sound, fault, words) for fault, words in [
        ([shared(LIBRARY % 7, "-fvisibility=default")],
         "prints\n7\nnot what the page says:\n0"),
        (example(("return 0;", "return 1;")), "status 1"),
        (example(("  printf", "  int unused;\n\n  printf")),
         "does not compile"),
        (example(("tcm_f(1, NULL)", "tcm_f(1)")), "does not compile"),
        (example((".\\\" SRC BEGIN (f.c)", ".\\\" SRC BEGIN (f.d)")),
         "no program among"),
        (example(("(f.out)", "(f.conf)")), "no way to try"),
        (example(("(f.out)\n0", "(override.conf)\nEnvironment=A=b")),
         "no section headers"),
        (example(("(f.out)\n0", "(override.conf)\n[Service]\n"
                  "Environment=A=b")), "not a drop-in that preloads"),
        (example(("(f.out)\n0", "(Dockerfile)\nTO a")), "no instruction: TO"),
        (example(("ls \\-l |", "if ls \\-l |")), "sh says"),
        (example(("(f.out)\n0", "(nginx.conf)\nenvy LD_PRELOAD;")),
         "nginx says"),
    ]]
