/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heap profiles that a process writes automatically: at exit, on a signal, each
 * time its memory has grown by a step, and at the hard limit.  Each case runs
 * this program again with its own options and its own directory, and then
 * checks the files there.
 */
#include "../support/child.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/time.h>

#define MIB ((size_t)1 << 20)
#define DIRECTORY_BYTES 200
#define WHOLE "tcm.%ld.%ld.%15[a-z].heap%n"

/* The contents of a directory. */
struct contents {
  unsigned exits, signals, steps, limits; /* complete profiles, by reason */
  unsigned others;                        /* files with another name */
  long numbers;                           /* the sum of their numbers */
  unsigned pids;                          /* processes that wrote them */
  long most_live;                         /* bytes, of all profiles */
};

static char directory[DIRECTORY_BYTES];
static char said[1 << 14]; /* standard error of the last child */

static void
begin(void)
{
  const char *folder = getenv("TMPDIR");

  snprintf(directory, sizeof directory, "%s/tcm-profiles-XXXXXX",
           folder != NULL ? folder : "/tmp");
  REQUIRE(mkdtemp(directory) != NULL);
  setenv("TCM_PROFILE_DIR", directory, 1);
  setenv("TCM_PROFILE_BYTES", "4096", 1);
  setenv("TCM_PROFILE_SIGNAL", "12", 1);
  setenv("TCM_PROFILE_AT_EXIT", "0", 1);
  unsetenv("TCM_PROFILE_STEP_BYTES");
  unsetenv("TCM_HARD_LIMIT_BYTES");
}

static void
path_of(const char *name, char path[2 * DIRECTORY_BYTES])
{
  snprintf(path, (size_t)2 * DIRECTORY_BYTES, "%s/%.180s", directory, name);
}

static void
end(void)
{
  DIR *open_directory = opendir(directory);
  char path[2 * DIRECTORY_BYTES];
  struct dirent *entry;

  REQUIRE(open_directory != NULL);
  while ((entry = readdir(open_directory)) != NULL)
    if (entry->d_name[0] != '.') {
      path_of(entry->d_name, path);
      unlink(path);
    }
  closedir(open_directory);
  EXPECT(rmdir(directory) == 0);
}

/* Checks one profile: only its owner has access, and it has a header and the
 * mappings.  Returns its live bytes. */
static long
look_at(const char *name)
{
  char path[2 * DIRECTORY_BYTES];
  static char text[1 << 20];
  struct stat st;
  ssize_t length;
  long live = -1;
  int fd;

  path_of(name, path);
  fd = open(path, O_RDONLY | O_NOFOLLOW);
  REQUIRE(fd >= 0 && fstat(fd, &st) == 0);
  EXPECT_FOR((st.st_mode & 07777) == 0600, "%o", (unsigned)st.st_mode);
  length = read(fd, text, sizeof text - 1);
  close(fd);
  REQUIRE(length >= 0);
  text[length] = '\0';
  EXPECT_FOR(sscanf(text, "heap profile: %*d: %ld [", &live) == 1, "%.80s",
             text);
  EXPECT_FOR(strstr(text, "\nMAPPED_LIBRARIES:\n") != NULL, "%s", name);
  EXPECT_FOR(strstr(text, "profile_files") != NULL, "%s: no mappings", name);
  return live;
}

static void
count_file(struct contents *found, const char *name)
{
  static long last_pid;
  char reason[16];
  long pid, number, live;
  int all = 0;

  if (sscanf(name, WHOLE, &pid, &number, reason, &all) != 3 ||
      name[all] != '\0') {
    found->others++;
    return;
  }
  found->exits += strcmp(reason, "exit") == 0;
  found->signals += strcmp(reason, "signal") == 0;
  found->steps += strcmp(reason, "step") == 0;
  found->limits += strcmp(reason, "limit") == 0;
  found->numbers += number;
  found->pids += found->pids == 0 || pid != last_pid;
  last_pid = pid;
  live = look_at(name);
  if (live > found->most_live)
    found->most_live = live;
}

/* Runs the child @what, which must succeed, and reads the directory. */
static struct contents
after(const char *what)
{
  const char *arguments[] = {"profile_files", "child", what, NULL};
  struct contents found = {0};
  struct dirent *entry;
  DIR *open_directory;

  EXPECT_FOR(child_again_output(arguments, said, sizeof said), "%s", what);
  open_directory = opendir(directory);
  REQUIRE(open_directory != NULL);
  while ((entry = readdir(open_directory)) != NULL)
    if (entry->d_name[0] != '.')
      count_file(&found, entry->d_name);
  closedir(open_directory);
  return found;
}

static unsigned
whole_files(const struct contents *found)
{
  return found->exits + found->signals + found->steps + found->limits;
}

static unsigned
count_output_lines(void)
{
  unsigned n = 0;

  for (const char *c = said; *c != '\0'; c++)
    n += *c == '\n';
  return n;
}

/* ---- What the children do ------------------------------------------------ */

static char *blocks[512];

/* Allocates and touches up to @n MiB.  Returns how many it got.  A malloc that
 * succeeds must not change errno. */
static unsigned
grow(unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    errno = EXDEV;
    blocks[i] = malloc(harness_size(MIB));
    if (blocks[i] == NULL) {
      CHILD_EXPECT(errno == ENOMEM);
      return i;
    }
    CHILD_EXPECT(errno == EXDEV);
    blocks[i][0] = 1;
  }
  return n;
}

static void
shrink(unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    free(blocks[i]);
}

static void
ask(void)
{
  errno = EXDEV;
  raise(12);
  CHILD_EXPECT(errno == EXDEV);
}

static void
be_step(void)
{
  CHILD_EXPECT(grow(44) == 44);
  shrink(44);
  CHILD_EXPECT(grow(44) == 44);
}

/* Steps that are small compared to the heap count too. */
static void
be_large(void)
{
  void *large = malloc(harness_size(256 * MIB));

  CHILD_EXPECT(large != NULL);
  CHILD_EXPECT(grow(44) == 44);
  free(large);
}

static void
be_limit(void)
{
  unsigned n = grow(100);

  CHILD_EXPECT(n < 64);
  CHILD_EXPECT(grow(1) == 0);
  shrink(n);
  CHILD_EXPECT(grow(100) < 64);
}

static void
request_many_profiles(void)
{
  (void)grow(2);
  for (int i = 0; i < 40; i++)
    ask();
  CHILD_EXPECT(grow(100) < 64);
}

static volatile sig_atomic_t own_runs;

static void
own_handler(int signal)
{
  (void)signal;
  own_runs++;
}

static void
be_handling(void)
{
  (void)grow(2);
  CHILD_EXPECT(signal(12, own_handler) != SIG_ERR);
  ask();
  CHILD_EXPECT(own_runs == 1);
}

/* Creates a symbolic link with the name that the profile will have. */
static void
be_linking(void)
{
  char path[2 * DIRECTORY_BYTES], name[64];

  snprintf(directory, sizeof directory, "%s", getenv("TCM_PROFILE_DIR"));
  snprintf(name, sizeof name, "tcm.%ld.1.signal.heap", (long)getpid());
  path_of(name, path);
  CHILD_EXPECT(symlink("victim", path) == 0);
  (void)grow(2);
  ask();
}

static void
be_parent(void)
{
  pid_t child;

  (void)grow(2);
  ask();
  ask();
  child = child_fork();
  if (child == 0) {
    ask();
    _exit(0);
  }
  CHILD_EXPECT(child_succeeded(child));
}

static void
write_with_file_limit(void)
{
  struct rlimit limit = {1000, 1000};

  (void)grow(2);
  CHILD_EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  ask();
  ask();
}

static void
be_without_rights(void)
{
  (void)grow(2);
  if (geteuid() == 0)
    CHILD_EXPECT(seteuid(65534) == 0);
  else
    CHILD_EXPECT(chmod(getenv("TCM_PROFILE_DIR"), 0500) == 0);
  ask();
}

/* The signals interrupt malloc and free. */
static void
be_interrupted(void)
{
  struct itimerval timer = {{0, 2003}, {0, 2003}};
  uint64_t state = 1;

  CHILD_EXPECT(setitimer(ITIMER_PROF, &timer, NULL) == 0);
  for (int i = 0; i < 300000; i++) {
    size_t place;
    state = state * 6364136223846793005u + 1442695040888963407u;
    place = (state >> 33) % 512;
    free(blocks[place]);
    blocks[place] = malloc((size_t)(state >> 45) % 20000);
  }
  timer.it_value.tv_usec = 0;
  setitimer(ITIMER_PROF, &timer, NULL);
}

static int
be_child(const char *what)
{
  int (*get)(const char *name, uint64_t *value);
  uint64_t bytes = 0;

  *(void **)&get = dlsym(RTLD_DEFAULT, "tcm_option_get");
  if (strcmp(what, "exit") == 0)
    (void)grow(8);
  else if (strcmp(what, "default") == 0)
    CHILD_EXPECT(get("profile_bytes", &bytes) == 0 && bytes == 524288);
  else if (strcmp(what, "signal") == 0)
    (void)grow(8), ask();
  else if (strcmp(what, "step") == 0)
    be_step();
  else if (strcmp(what, "large") == 0)
    be_large();
  else if (strcmp(what, "limit") == 0)
    be_limit();
  else if (strcmp(what, "greedy") == 0)
    request_many_profiles();
  else if (strcmp(what, "handling") == 0)
    be_handling();
  else if (strcmp(what, "linking") == 0)
    be_linking();
  else if (strcmp(what, "parent") == 0)
    be_parent();
  else if (strcmp(what, "short-of-file") == 0)
    write_with_file_limit();
  else if (strcmp(what, "without-rights") == 0)
    be_without_rights();
  else if (strcmp(what, "interrupted") == 0)
    be_interrupted();
  else
    return HARNESS_ERROR;
  return 0;
}

/* ---- The cases ----------------------------------------------------------- */

static void
at_exit(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_AT_EXIT", "1", 1);
  found = after("exit");
  EXPECT(found.exits == 1 && found.numbers == 1);
  EXPECT(whole_files(&found) == 1 && found.others == 0);
  EXPECT_FOR(found.most_live >= (long)(7 * MIB), "%ld", found.most_live);
  EXPECT_FOR(said[0] == '\0', "%s", said);
  end();
}

/* A process without samples writes no file.  Setting only the directory turns
 * sampling on. */
static void
samples(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_AT_EXIT", "1", 1);
  setenv("TCM_PROFILE_BYTES", "1T", 1);
  found = after("exit");
  EXPECT(whole_files(&found) == 0 && found.others == 0);
  setenv("TCM_PROFILE_BYTES", "0", 1);
  (void)after("default");
  unsetenv("TCM_PROFILE_BYTES");
  (void)after("default");
  end();
}

static void
at_a_signal(void)
{
  struct contents found;

  begin();
  found = after("signal");
  EXPECT(found.signals == 1 && found.numbers == 1);
  EXPECT(whole_files(&found) == 1 && found.others == 0);
  EXPECT_FOR(said[0] == '\0', "%s", said);
  end();
}

static void
a_signal_of_the_program(void)
{
  struct contents found;

  begin();
  found = after("handling");
  EXPECT(whole_files(&found) == 0);
  EXPECT_FOR(said[0] == '\0', "%s", said);
  /* A signal that is ignored from the start belongs to the program, too. */
  REQUIRE(signal(12, SIG_IGN) != SIG_ERR);
  found = after("signal");
  REQUIRE(signal(12, SIG_DFL) != SIG_ERR);
  EXPECT(whole_files(&found) == 0);
  EXPECT_FOR(strstr(said, "tcm: profile_signal: the program uses signal 12\n"),
             "%s", said);
  end();
}

static void
a_signal_inside_malloc(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_SIGNAL", "27", 1);
  found = after("interrupted");
  EXPECT_FOR(found.signals >= 3, "%u", found.signals);
  EXPECT(found.others == 0);
  end();
}

static void
at_each_step(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_STEP_BYTES", "8M", 1);
  found = after("step");
  EXPECT_FOR(found.steps == 5, "%u", found.steps);
  EXPECT_FOR(found.numbers == 15, "%ld", found.numbers);
  EXPECT(whole_files(&found) == 5 && found.others == 0);
  EXPECT_FOR(said[0] == '\0', "%s", said);
  end();
}

static void
at_steps_of_a_large_heap(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_STEP_BYTES", "8M", 1);
  found = after("large");
  EXPECT_FOR(found.steps == 6, "%u", found.steps);
  EXPECT(whole_files(&found) == 6 && found.others == 0);
  end();
}

static void
at_the_hard_limit(void)
{
  struct contents found;

  begin();
  setenv("TCM_HARD_LIMIT_BYTES", "64M", 1);
  found = after("limit");
  EXPECT_FOR(found.limits == 1, "%u", found.limits);
  EXPECT(whole_files(&found) == 1 && found.others == 0);
  EXPECT_FOR(found.most_live >= (long)(40 * MIB), "%ld", found.most_live);
  EXPECT_FOR(said[0] == '\0', "%s", said);
  setenv("TCM_PROFILE_AT_LIMIT", "0", 1);
  found = after("limit");
  unsetenv("TCM_PROFILE_AT_LIMIT");
  EXPECT_FOR(found.limits == 1, "%u", found.limits);
  end();
}

/* At most 14 profiles for signals and steps, one at the limit, one at exit. */
static void
number_of_profiles_is_limited(void)
{
  struct contents found;

  begin();
  setenv("TCM_PROFILE_AT_EXIT", "1", 1);
  setenv("TCM_PROFILE_STEP_BYTES", "8M", 1);
  setenv("TCM_HARD_LIMIT_BYTES", "64M", 1);
  found = after("greedy");
  EXPECT_FOR(found.signals == 14 && found.steps == 0, "%u signals, %u steps",
             found.signals, found.steps);
  EXPECT_FOR(found.limits == 1 && found.exits == 1, "%u, %u", found.limits,
             found.exits);
  EXPECT_FOR(found.numbers == 16 * 17 / 2, "%ld", found.numbers);
  EXPECT_FOR(count_output_lines() == 1 &&
                 strstr(said, "tcm: profile_dir: no more profiles at signals"),
             "%s", said);
  end();
}

static void
refuses_a_link(void)
{
  char path[2 * DIRECTORY_BYTES], text[8] = "";
  struct contents found;
  int fd;

  begin();
  path_of("victim", path);
  fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
  REQUIRE(fd >= 0 && write(fd, "whole\n", 6) == 6);
  found = after("linking");
  EXPECT(found.signals == 1 && found.others == 1);
  EXPECT(pread(fd, text, sizeof text - 1, 0) == 6);
  EXPECT_FOR(strcmp(text, "whole\n") == 0, "%s", text);
  close(fd);
  end();
}

static void
the_child_of_a_fork(void)
{
  struct contents found;

  begin();
  found = after("parent");
  EXPECT_FOR(found.signals == 3 && found.numbers == 1 + 2 + 1, "%u, sum %ld",
             found.signals, found.numbers);
  EXPECT_FOR(found.pids >= 2, "%u", found.pids);
  end();
}

/* One line, no file, and the program continues. */
static void
expect_error(const char *what, const char *words)
{
  struct contents found = after(what);

  EXPECT(whole_files(&found) == 0 && found.others == 0);
  EXPECT_FOR(count_output_lines() == 1 &&
                 strncmp(said, "tcm: profile_dir: ", 18) == 0 &&
                 strstr(said, words) != NULL,
             "%s", said);
}

static void
errors(void)
{
  char path[2 * DIRECTORY_BYTES];

  begin();
  expect_error("short-of-file",
               "a profile exceeds the limit of the file size: /");
  path_of("missing", path);
  setenv("TCM_PROFILE_DIR", path, 1);
  setenv("TCM_PROFILE_STEP_BYTES", "8M", 1);
  expect_error("step", "no such directory: /");
  expect_error("signal", "no such directory: /");
  setenv("TCM_PROFILE_DIR", "/dev/null", 1);
  expect_error("signal", "not a directory: /dev/null\n");
  setenv("TCM_PROFILE_DIR", directory, 1);
  expect_error("without-rights", "no right to write: /");
  (void)chmod(directory, 0700);
  end();
}

static const struct harness_case cases[] = {
    {"at-exit", at_exit},
    {"samples", samples},
    {"at-a-signal", at_a_signal},
    {"a-signal-of-the-program", a_signal_of_the_program},
    {"a-signal-inside-malloc", a_signal_inside_malloc},
    {"at-each-step", at_each_step},
    {"at-steps-of-a-large-heap", at_steps_of_a_large_heap},
    {"at-the-hard-limit", at_the_hard_limit},
    {"number-of-profiles-is-limited", number_of_profiles_is_limited},
    {"refuses-a-link", refuses_a_link},
    {"the-child-of-a-fork", the_child_of_a_fork},
    {"errors", errors},
};

int
main(int argc, char **argv)
{
  if (argc == 3 && strcmp(argv[1], "child") == 0)
    return be_child(argv[2]);
  return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
