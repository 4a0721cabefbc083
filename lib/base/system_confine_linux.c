/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tcm's own thread can do: almost nothing.
 *
 * If the program calls setuid(2) or capset(2), or installs Landlock rules or a
 * seccomp filter, the thread is not affected: libc and the kernel apply these
 * only to the threads that they track.  So the thread first of all drops its
 * own privileges:
 *
 *     scheduling     that of the process at its start, and never real-time
 *     capabilities   none
 *     descriptors    its own table, if it must read a file
 *     system calls   a filter: the few below; any other fails with EPERM
 *
 * The user and group ids stay.  Changing them would make the kernel mark the
 * whole process as undumpable, and without system calls they grant nothing.
 *
 * An inherited filter may kill the process for a call that it does not list.
 * In such a process, the thread only makes prctl(2) calls.
 *
 * A binary translator such as valgrind makes its own system calls in each
 * thread.  The filter would refuse them, so a translated process does not get
 * this thread.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/params.h"
#include "base/system.h"

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define OWN_ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef OWN_ARCH

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* madvise(2) advice from this number on is refused: it makes the kernel treat
 * memory as damaged, for tests. */
#define ADVICE_END 100
/* Wake-ups may be this late: the thread is never urgent. */
#define TIMER_SLACK_NS 50000000ul

#define FIELD(name) offsetof(struct seccomp_data, name)
#define LOAD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(name))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define REFUSE ANSWER(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW(call)                                            \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(call), 0, 1), \
      ANSWER(SECCOMP_RET_ALLOW)

/* The index of the rule that allows pread64 instead if there is a file to
 * read. */
#define FILE_RULE 4

/* restart_syscall continues a sleep that a debugger or a freezer
 * interrupted. */
static struct sock_filter rules[] = {
    LOAD(arch),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0),
    REFUSE,
    LOAD(nr),
    ALLOW(SYS_futex), /* FILE_RULE */
    ALLOW(SYS_futex),
    ALLOW(SYS_nanosleep),
    ALLOW(SYS_clock_gettime),
    ALLOW(SYS_restart_syscall),
    ALLOW(SYS_exit),
    ALLOW(SYS_munlock),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
    LOAD(args[2]),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ADVICE_END, 1, 0),
    ANSWER(SECCOMP_RET_ALLOW),
    REFUSE,
};

/* The processors that the process could use at its start.  No bit is set if the
 * kernel is built for more: the thread then keeps the affinity of the thread
 * that started it. [init] */
#define START_CPUS 1024
static unsigned long start_cpus[START_CPUS / (8 * sizeof(long))];

void
tcmi_system_note_start(void)
{
  int saved = errno;

  (void)syscall(SYS_sched_getaffinity, 0, sizeof start_cpus, start_cpus);
  errno = saved;
}

static long
prctl_call(int option, unsigned long argument, const void *pointer)
{
  return syscall(SYS_prctl, option, argument, pointer, 0, 0);
}

/* An error means that a filter refused the call. */
static bool
is_filtered(void)
{
  return prctl_call(PR_GET_SECCOMP, 0, NULL) != 0;
}

/* SCHED_BATCH: when the thread wakes up, it does not preempt a running thread.
 * The thread that starts it makes this call.  Otherwise the new thread might
 * have to wait for a real-time thread's processor before its first call.
 * Rejected: SCHED_IDLE and a high nice value.  The thread takes locks that the
 * program waits for, and must get a processor while it holds one. */
void
tcmi_system_lower_priority(uint32_t id)
{
  struct sched_param none = {0};
  int saved = errno;

  if (!is_filtered()) {
    (void)syscall(SYS_sched_setaffinity, id, sizeof start_cpus, start_cpus);
    (void)syscall(SYS_sched_setscheduler, id, SCHED_BATCH, &none);
    if (getpriority(PRIO_PROCESS, id) < 0)
      (void)setpriority(PRIO_PROCESS, id, 0);
  }
  errno = saved;
}

/* Whether the thread would not yield to the program. */
static bool
is_real_time(void)
{
  long policy = syscall(SYS_sched_getscheduler, 0);

  return policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE;
}

static bool
drop_capabilities(void)
{
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

  return syscall(SYS_capset, &header, none) == 0;
}

static bool
install_filter(bool has_file)
{
  struct sock_fprog filter = {sizeof rules / sizeof *rules, rules};

  rules[FILE_RULE].k = has_file ? SYS_pread64 : SYS_futex;
  return prctl_call(PR_SET_NO_NEW_PRIVS, 1, NULL) == 0 &&
         prctl_call(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/* Opens the file in a new, empty descriptor table of the thread's own, so that
 * the descriptors that the program opens, closes and reuses are out of
 * reach. */
static int
open_alone(const char *path)
{
  if (path == NULL ||
      syscall(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE) != 0)
    return -1;
  return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

/* valgrind hides the kernel's vDSO, because it cannot intercept calls through
 * it. */
static bool
is_translated(void)
{
  return getauxval(AT_SYSINFO_EHDR) == 0;
}

bool
tcmi_system_confine(const char *path, int *file)
{
  bool filtered = is_filtered();

  *file = -1;
  if (is_translated() || is_real_time() || (!filtered && !drop_capabilities()))
    return false;
  if (!filtered)
    *file = open_alone(path);
  (void)prctl_call(PR_SET_TIMERSLACK, TIMER_SLACK_NS, NULL);
  return install_filter(*file >= 0);
}

long
tcmi_system_read_again(int file, char *text, size_t size)
{
  int saved = errno;
  long got = syscall(SYS_pread64, file, text, size, 0);

  if (got < 0)
    got = -errno;
  errno = saved;
  return got;
}

bool
tcmi_system_thread_is_gone(uint32_t id)
{
  int saved = errno;
  bool gone = syscall(SYS_tgkill, getpid(), id, 0) != 0 && errno == ESRCH;

  errno = saved;
  return gone;
}

#else

void
tcmi_system_note_start(void)
{
}

void
tcmi_system_lower_priority(uint32_t id)
{
  (void)id;
}

bool
tcmi_system_confine(const char *path, int *file)
{
  (void)path;
  *file = -1;
  return false;
}

long
tcmi_system_read_again(int file, char *text, size_t size)
{
  (void)file;
  (void)text;
  (void)size;
  return -ENOSYS;
}

bool
tcmi_system_thread_is_gone(uint32_t id)
{
  (void)id;
  return true;
}

#endif
