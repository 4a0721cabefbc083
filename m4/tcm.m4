dnl SPDX-License-Identifier: BSD-2-Clause
dnl Checks of the compiler, the linker and tar.

dnl TCM_CHECK_CFLAG(FLAGS, IF-YES, IF-NO)
dnl clang only warns about an unknown flag; -Werror makes it fail.
AC_DEFUN([TCM_CHECK_CFLAG],
[AC_MSG_CHECKING([whether $CC takes $1])
tcm_save_cflags=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [tcm_answer=yes], [tcm_answer=no])
CFLAGS=$tcm_save_cflags
AC_MSG_RESULT([$tcm_answer])
AS_IF([test $tcm_answer = yes], [$2], [$3])])

dnl TCM_APPEND_CFLAGS(FLAGS) - append each flag that the compiler takes.
AC_DEFUN([TCM_APPEND_CFLAGS],
[for tcm_flag in $1; do
  TCM_CHECK_CFLAG([$tcm_flag], [TCM_CFLAGS="$TCM_CFLAGS $tcm_flag"])
done
AC_SUBST([TCM_CFLAGS])])

dnl TCM_APPEND_LDFLAGS(FLAGS) - append each flag that the linker takes.
AC_DEFUN([TCM_APPEND_LDFLAGS],
[for tcm_flag in $1; do
  AC_MSG_CHECKING([whether the linker takes $tcm_flag])
  tcm_save_ldflags=$LDFLAGS
  LDFLAGS="$LDFLAGS $tcm_flag"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
    [AC_MSG_RESULT([yes])
     TCM_LDFLAGS="$TCM_LDFLAGS $tcm_flag"], [AC_MSG_RESULT([no])])
  LDFLAGS=$tcm_save_ldflags
done
AC_SUBST([TCM_LDFLAGS])])

dnl TCM_CHECK_VERSION_SCRIPT - set the condition VERSION_SCRIPT.
AC_DEFUN([TCM_CHECK_VERSION_SCRIPT],
[AC_MSG_CHECKING([whether the linker takes a version script])
tcm_save_ldflags=$LDFLAGS
echo 'TCM_TEST { global: tcm_*; };' > conftest.map
LDFLAGS="$LDFLAGS -shared -fPIC -Wl,--version-script=conftest.map"
AC_LINK_IFELSE([AC_LANG_SOURCE([[int tcm_test(void); int tcm_test(void) { return 0; }]])],
  [tcm_version_script=yes], [tcm_version_script=no])
LDFLAGS=$tcm_save_ldflags
rm -f conftest.map
AC_MSG_RESULT([$tcm_version_script])
AM_CONDITIONAL([VERSION_SCRIPT], [test $tcm_version_script = yes])])

dnl TCM_REPRODUCIBLE_TAR
dnl Two people who run "make dist" on one commit get the same bytes: members
dnl sorted, no owner, no umask, the time of the commit.
AC_DEFUN([TCM_REPRODUCIBLE_TAR],
[AC_MSG_CHECKING([whether tar can write reproducible archives])
tcm_tar_options='--sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX'
AS_IF([tar --format=ustar $tcm_tar_options --mtime=@0 -cf /dev/null -T /dev/null 2>/dev/null],
  [AC_MSG_RESULT([yes])
   am__tar="tar --format=ustar $tcm_tar_options"' --mtime=@`$(SHELL) $(top_srcdir)/build-aux/dist-time $(top_srcdir)` -chf - "$$tardir"'],
  [AC_MSG_RESULT([no])])])
