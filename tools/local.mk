# SPDX-License-Identifier: BSD-2-Clause
# The programs.  tcm-stat includes the library's headers for its structures, and
# compiles its sources for the sums and the size classes; it is not linked with
# the library.

tcm_tool_cflags = -std=gnu11 -Wall -Wextra -Wstrict-prototypes \
	-Wmissing-prototypes -Wundef -Wpointer-arith -Wwrite-strings

if TOOLS
bin_PROGRAMS += tools/tcm-stat
tools_tcm_stat_SOURCES = \
	lib/cache/size_class.c \
	lib/observe/stats_sum.c \
	tools/core.c \
	tools/diff.c \
	tools/fault.c \
	tools/fault.h \
	tools/heap.c \
	tools/json.c \
	tools/survey.c \
	tools/survey.h \
	tools/main.c \
	tools/mappings.c \
	tools/metrics.c \
	tools/names.c \
	tools/names.h \
	tools/output.c \
	tools/outside.c \
	tools/overview.c \
	tools/page.c \
	tools/page.h \
	tools/pages.c \
	tools/profile.c \
	tools/profile.h \
	tools/profile_export.c \
	tools/profile_html.c \
	tools/profile_pinned.c \
	tools/profile_read.c \
	tools/profile_text.c \
	tools/profile_tree.c \
	tools/ps.c \
	tools/report.c \
	tools/request.c \
	tools/shapes.c \
	tools/shapes.h \
	tools/spans.c \
	tools/symbols.c \
	tools/tables.c \
	tools/tally.h \
	tools/target.c \
	tools/tcm-stat.h \
	tools/text.c \
	tools/top.c \
	tools/top.h \
	tools/top_draw.c \
	tools/top_profile.c \
	tools/value.c \
	tools/value.h \
	tools/verdict.c \
	tools/view.c \
	tools/wake.c \
	tools/wake.h \
	tools/wake_threads.c \
	tools/wake_threads.h \
	tools/watch.c
tools_tcm_stat_CFLAGS = $(tcm_tool_cflags) $(JANSSON_CFLAGS) \
	$(LIBDW_CFLAGS) $(NCURSES_CFLAGS)
tools_tcm_stat_LDADD = $(JANSSON_LIBS) $(LIBDW_LIBS) $(NCURSES_LIBS) \
	$(ZLIB_LIBS) $(DL_LIBS)

# The pages of tcm-stat report and profile --html are parts of the program.
tools_pages = \
	tools/flame.html \
	tools/flame.js \
	tools/page.css \
	tools/page.js \
	tools/report.html
tools_tcm_stat_CPPFLAGS = $(AM_CPPFLAGS) -DPAGES='"$(srcdir)/tools"'
tools/tcm_stat-page.$(OBJEXT): $(tools_pages)
EXTRA_DIST += $(tools_pages)

if RUNNER
bin_PROGRAMS += tools/tcm-run
tools_tcm_run_SOURCES = tools/tcm-run.c tools/value.c tools/value.h
tools_tcm_run_CFLAGS = $(tcm_tool_cflags)
tools_tcm_run_CPPFLAGS = $(AM_CPPFLAGS) -DLIBDIR='"$(libdir)"' \
	-DMULTIARCH_LIBDIR='"/usr/lib/$(TCM_MULTIARCH)"'
endif

# bash and fish find a completion by the name of its command, zsh by its first
# line.
bashcompletiondir = $(TCM_BASH_COMPLETION_DIR)
zshcompletiondir = $(TCM_ZSH_COMPLETION_DIR)
fishcompletiondir = $(TCM_FISH_COMPLETION_DIR)
EXTRA_DIST += tools/tcm.bash tools/tcm.fish tools/tcm.zsh
install_hooks += install-completion
install-completion:
	$(MKDIR_P) '$(DESTDIR)$(bashcompletiondir)'
	$(INSTALL_DATA) $(srcdir)/tools/tcm.bash \
	  '$(DESTDIR)$(bashcompletiondir)/tcm-stat'
	cd '$(DESTDIR)$(bashcompletiondir)' && rm -f tcm-run && \
	  $(LN_S) tcm-stat tcm-run
	$(MKDIR_P) '$(DESTDIR)$(zshcompletiondir)'
	$(INSTALL_DATA) $(srcdir)/tools/tcm.zsh \
	  '$(DESTDIR)$(zshcompletiondir)/_tcm'
	$(MKDIR_P) '$(DESTDIR)$(fishcompletiondir)'
	$(INSTALL_DATA) $(srcdir)/tools/tcm.fish \
	  '$(DESTDIR)$(fishcompletiondir)/tcm-stat.fish'
	cd '$(DESTDIR)$(fishcompletiondir)' && rm -f tcm-run.fish && \
	  $(LN_S) tcm-stat.fish tcm-run.fish
uninstall-hook: uninstall-completion
uninstall-completion:
	rm -f '$(DESTDIR)$(bashcompletiondir)/tcm-stat' \
	  '$(DESTDIR)$(bashcompletiondir)/tcm-run' \
	  '$(DESTDIR)$(zshcompletiondir)/_tcm' \
	  '$(DESTDIR)$(fishcompletiondir)/tcm-stat.fish' \
	  '$(DESTDIR)$(fishcompletiondir)/tcm-run.fish'
phony += install-completion uninstall-completion
endif
