# SPDX-License-Identifier: BSD-2-Clause
# Files that the tests of several folders share.  A test that runs one program
# in one way is named <folder>/<way>-<program>.sh and generated here;
# support/way.sh defines the ways.
EXTRA_DIST += \
	tests/support/child.h \
	tests/support/churn.h \
	tests/support/harness.h \
	tests/support/memory.h \
	tests/support/sanitizers.h \
	tests/support/tasks.h \
	tests/support/toolchain.sh \
	tests/support/way.sh

way_tests = $(api_tests) $(process_tests) $(process_long_tests) \
	$(fault_long_tests)
CLEANFILES += $(way_tests)

$(way_tests): Makefile
	$(AM_V_GEN)$(MKDIR_P) `dirname $@` && \
	test=`basename $@ .sh` && way=`expr $$test : '\([^-]*\)-'` && \
	program=`dirname $@`/`expr $$test : '[^-]*-\(.*\)'` && \
	echo "exec '$(SHELL)' '$(abs_top_srcdir)/tests/support/way.sh'" \
	  "$$way $$program" '"$$@"' > $@

# Links a module that a test loads.  libtool would make it an installed
# library.
module_link = $(AM_V_CCLD)$(MKDIR_P) $(@D) && \
	$(CC) $(AM_CFLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -fPIC -shared -o $@
