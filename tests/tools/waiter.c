/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An idle program for the test of tcm-stat release: it leaves 4 MiB free, too
 * little for tcm's own thread, prints "ready", and waits in one system call.
 * Then it prints what the call returned, and exits with 0 if it had the right
 * effect.
 *
 *   waiter WAIT
 *
 * The test writes a line to its standard input, or sends SIGUSR1 for those that
 * wait for a signal.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 2000
#define THREADS 20

static volatile sig_atomic_t handled;

static void
handle(int number)
{
  (void)number;
  handled++;
}

static void
install(int flags)
{
  struct sigaction action = {.sa_handler = handle, .sa_flags = flags};

  sigaction(SIGUSR1, &action, NULL);
}

static void
block(int number)
{
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, number);
  sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Prints the result of a call, which must be @expected. */
static int
report(const char *call, long result, long expected)
{
  printf("%s %ld %s\n", call, result, result < 0 ? strerror(errno) : "-");
  return result != expected;
}

static void
say_ready(void)
{
  puts("ready");
  fflush(stdout);
}

static int
wait_in_read(void)
{
  char line[64];

  say_ready();
  return report("read", read(0, line, sizeof line), 6);
}

static int
wait_in_sleep(void)
{
  struct timespec start, end, time = {.tv_sec = 2};
  long result;

  say_ready();
  clock_gettime(CLOCK_MONOTONIC, &start);
  result = nanosleep(&time, NULL);
  clock_gettime(CLOCK_MONOTONIC, &end);
  return report("nanosleep", result, 0) ||
         (end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec -
                 start.tv_nsec <
             2000000000;
}

static int
wait_in_epoll(int limit, long expected)
{
  struct epoll_event event = {.events = EPOLLIN};
  int poll = epoll_create1(0);

  epoll_ctl(poll, EPOLL_CTL_ADD, 0, &event);
  say_ready();
  return report("epoll_wait", epoll_wait(poll, &event, 1, limit), expected);
}

static int
wait_in_poll(int limit)
{
  struct pollfd file = {.fd = 0, .events = POLLIN};

  say_ready();
  return report("poll", poll(&file, 1, limit), 1);
}

static int
wait_in_select(void)
{
  fd_set files;

  FD_ZERO(&files);
  FD_SET(0, &files);
  say_ready();
  return report("select", select(1, &files, NULL, NULL, NULL), 1);
}

static int
wait_in_pause(void)
{
  install(SA_RESTART);
  say_ready();
  return report("pause", pause(), -1) || errno != EINTR || handled != 1;
}

/* The signal is blocked except in the call. */
static int
wait_in_sigsuspend(void)
{
  sigset_t none;

  sigemptyset(&none);
  install(0);
  block(SIGUSR1);
  say_ready();
  return report("sigsuspend", sigsuspend(&none), -1) || errno != EINTR ||
         handled != 1;
}

static int
wait_in_sigwaitinfo(void)
{
  sigset_t set;

  block(SIGUSR1);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  say_ready();
  return report("sigwaitinfo", sigwaitinfo(&set, NULL), SIGUSR1);
}

static int
wait_in_accept(void)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);

  /* A socket whose name the kernel chooses. */
  if (bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
      listen(listener, 1) != 0)
    return 1;
  if (fork() == 0) {
    char line[64];
    socklen_t length = sizeof address;
    ssize_t got = read(0, line, sizeof line);
    getsockname(listener, (struct sockaddr *)&address, &length);
    _exit(got != 6 || connect(socket(AF_UNIX, SOCK_STREAM, 0),
                              (struct sockaddr *)&address, length) != 0);
  }
  say_ready();
  return report("accept", accept(listener, NULL, NULL) >= 0, 1);
}

static int
wait_for_child(void)
{
  int status = 0;
  pid_t child = fork();

  if (child == 0) {
    char line[64];
    _exit(read(0, line, sizeof line) == 6 ? 7 : 1);
  }
  say_ready();
  return report("waitpid", waitpid(child, &status, 0) == child, 1) ||
         WEXITSTATUS(status) != 7;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wakes = PTHREAD_COND_INITIALIZER;
static int woken;

static void *
wait_for_condition(void *unused)
{
  pthread_mutex_lock(&mutex);
  while (!woken)
    pthread_cond_wait(&wakes, &mutex);
  pthread_mutex_unlock(&mutex);
  return unused;
}

static void *
wake_others(void *unused)
{
  char line[64];

  if (read(0, line, sizeof line) != 6)
    exit(1);
  pthread_mutex_lock(&mutex);
  woken = 1;
  pthread_cond_broadcast(&wakes);
  pthread_mutex_unlock(&mutex);
  return unused;
}

/* In futex(2): the main thread in pthread_join(), others for a condition. */
static int
wait_in_futex(int n)
{
  pthread_t threads[THREADS];

  for (int i = 0; i < n; i++)
    if (pthread_create(&threads[i], NULL,
                       i == n - 1 ? wake_others : wait_for_condition,
                       NULL) != 0)
      return 1;
  say_ready();
  for (int i = 0; i < n; i++)
    pthread_join(threads[i], NULL);
  return report("pthread_join", woken, 1);
}

/* A blocked signal is pending. */
static int
wait_with_pending(void)
{
  sigset_t none;
  char line[64];
  long got;

  install(0);
  block(SIGUSR1);
  raise(SIGUSR1);
  say_ready();
  got = read(0, line, sizeof line);
  if (handled != 0)
    return 1;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  return report("read", got, 6) || handled != 1;
}

/* Each signal ends the call with EINTR: prints a line for each, until there is
 * input. */
static int
wait_for_signals(void)
{
  char line[64];
  long got;
  sig_atomic_t seen = 0;

  install(0);
  say_ready();
  while ((got = read(0, line, sizeof line)) < 0 && errno == EINTR) {
    if (handled != ++seen)
      return 1;
    puts("interrupted");
    fflush(stdout);
  }
  return report("read", got, 6);
}

/* Loops and makes no system calls. */
static void *
never_wait(void *unused)
{
  volatile unsigned i = 0;

  while (i < 1)
    ;
  return unused;
}

static int
spin(void)
{
  say_ready();
  never_wait(NULL);
  return 1;
}

static int
wait_in_sandbox(void)
{
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return 1;
  return wait_in_read();
}

/* tcm does not see these calls; the filter allows everything. */
static int
install_filter(void)
{
  struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {1, &allow};

  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) !=
          0)
    return 1;
  return 0;
}

static int
wait_in_filter(void)
{
  return install_filter() || wait_in_read();
}

/* The other thread has no filter and does not wait. */
static int
wait_in_own_filter(void)
{
  pthread_t thread;

  return pthread_create(&thread, NULL, never_wait, NULL) != 0 ||
         install_filter() || wait_in_read();
}

#if defined(__x86_64__)

/* For raw_read(): registers and flags before and after; memory below the stack
 * pointer; vectors before and after. */
extern uint64_t raw_before[10], raw_after[11], raw_below[16];
extern unsigned char raw_vectors[256], raw_vectors_after[256], raw_carry;
uint64_t raw_before[10], raw_after[11], raw_below[16];
unsigned char raw_vectors[256], raw_vectors_after[256], raw_carry;

/* read(2) with known values in all registers that the call keeps, and in the
 * 128 bytes below the stack pointer.  The flags C and D are set. */
long raw_read(int file, void *to, size_t size);
__asm__(".pushsection .text\n"
        "raw_read:\n"
        "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n"
        "push %r15\n"
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "movdqu raw_vectors+16*\\n(%rip), %xmm\\n\n"
        "lea -8-8*\\n(%rsp), %rax\n"
        "mov %rax, (%rax)\n"
        ".endr\n"
        "lea raw_before(%rip), %rcx\n"
        "mov (%rcx), %rbx\n mov 8(%rcx), %rbp\n mov 16(%rcx), %r8\n"
        "mov 24(%rcx), %r9\n mov 32(%rcx), %r10\n mov 40(%rcx), %r12\n"
        "mov 48(%rcx), %r13\n mov 56(%rcx), %r14\n mov 64(%rcx), %r15\n"
        "mov $0, %eax\n stc\n std\n"
        "syscall\n"
        "setc raw_carry(%rip)\n"
        "lea raw_after(%rip), %rcx\n"
        "mov %rbx, (%rcx)\n mov %rbp, 8(%rcx)\n mov %r8, 16(%rcx)\n"
        "mov %r9, 24(%rcx)\n mov %r10, 32(%rcx)\n mov %r12, 40(%rcx)\n"
        "mov %r13, 48(%rcx)\n mov %r14, 56(%rcx)\n mov %r15, 64(%rcx)\n"
        "lea raw_below(%rip), %rdx\n"
        ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
        "movdqu %xmm\\n, raw_vectors_after+16*\\n(%rip)\n"
        "lea -8-8*\\n(%rsp), %r8\n"
        "mov (%r8), %r9\n sub %r8, %r9\n mov %r9, 8*\\n(%rdx)\n"
        ".endr\n"
        "mov %rdi, 72(%rcx)\n"
        "pushf\n pop 80(%rcx)\n cld\n"
        "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
        "ret\n"
        ".popsection\n");

static int
wait_with_registers(void)
{
  static const uint64_t zero[16];
  char line[64];
  long got;

  for (unsigned i = 0; i < 9; i++)
    raw_before[i] = 0x0101010101010101 * (i + 1);
  for (unsigned i = 0; i < sizeof raw_vectors; i++)
    raw_vectors[i] = (unsigned char)(i + 1);
  say_ready();
  got = raw_read(0, line, sizeof line);
  return report("read", got, 6) ||
         report("registers", memcmp(raw_before, raw_after, sizeof raw_before),
                0) ||
         report("below", memcmp(raw_below, zero, sizeof zero), 0) ||
         report("vectors",
                memcmp(raw_vectors, raw_vectors_after, sizeof raw_vectors),
                0) ||
         report("direction", raw_after[10] & 0x400, 0x400) ||
         report("carry", raw_carry, 1);
}

#else

static int
wait_with_registers(void)
{
  return wait_in_read();
}

#endif

static int
wait_in(const char *name)
{
  static const struct {
    const char *name;
    int (*run)(void);
  } waits[] = {{"read", wait_in_read},
               {"sleep", wait_in_sleep},
               {"select", wait_in_select},
               {"pause", wait_in_pause},
               {"sigsuspend", wait_in_sigsuspend},
               {"sigwaitinfo", wait_in_sigwaitinfo},
               {"accept", wait_in_accept},
               {"child", wait_for_child},
               {"pending", wait_with_pending},
               {"signals", wait_for_signals},
               {"spin", spin},
               {"sandbox", wait_in_sandbox},
               {"filter", wait_in_filter},
               {"own-filter", wait_in_own_filter},
               {"registers", wait_with_registers}};
  char line[64];

  for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
    if (strcmp(name, waits[i].name) == 0)
      return waits[i].run();
  if (strcmp(name, "epoll") == 0)
    return wait_in_epoll(-1, 1);
  if (strcmp(name, "epoll-limit") == 0)
    return wait_in_epoll(600000, -1) || errno != EINTR ||
           read(0, line, sizeof line) != 6;
  if (strcmp(name, "poll") == 0)
    return wait_in_poll(-1);
  if (strcmp(name, "poll-limit") == 0)
    return wait_in_poll(600000);
  if (strcmp(name, "join") == 0)
    return wait_in_futex(2);
  if (strcmp(name, "threads") == 0)
    return wait_in_futex(THREADS);
  return 2;
}

int
main(int argc, char **argv)
{
  static void *blocks[BLOCKS];

  for (size_t i = 0; i < BLOCKS; i++)
    blocks[i] = memset(malloc(2000), 1, 2000);
  for (size_t i = 0; i < BLOCKS; i++)
    free(blocks[i]);
  if (argc != 2)
    return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  return wait_in(argv[1]);
}
