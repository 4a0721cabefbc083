# SPDX-License-Identifier: BSD-2-Clause
# Random operations against a naive model, with the debug core.  They need no
# Check, so that other processors can run them.
model_programs = \
	tests/model/api \
	tests/model/central_list \
	tests/model/faults \
	tests/model/page_heap
check_PROGRAMS += $(model_programs)
TESTS += $(model_programs)
LONG_TESTS += tests/model/long.sh

# spin checks every interleaving of the steps of the lock-free code.  It checks
# models, so one configuration is enough.
if LINT
TESTS += tests/model/spin.py
endif
EXTRA_DIST += \
	tests/model/long.sh \
	tests/model/model.h \
	tests/model/spin \
	tests/model/spin.py

model_cppflags = $(AM_CPPFLAGS) -DTCM_DEBUG=1
tests_model_api_CPPFLAGS = $(model_cppflags)
tests_model_api_LDADD = libtcmdebugcore.la
tests_model_central_list_CPPFLAGS = $(model_cppflags)
tests_model_central_list_LDADD = libtcmdebugcore.la
tests_model_faults_CPPFLAGS = $(model_cppflags)
tests_model_faults_LDADD = libtcmdebugcore.la
tests_model_page_heap_CPPFLAGS = $(model_cppflags)
tests_model_page_heap_LDADD = libtcmdebugcore.la
