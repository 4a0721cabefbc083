/* SPDX-License-Identifier: BSD-2-Clause */
/* Descriptors 0 to 2 belong to the program.  tcm writes to descriptor 2 only if
 * it was open at start and is still the same file.  Otherwise tcm's lines could
 * end up in the program's database. */
#include "../support/child.h"

#include <sys/stat.h>

static char path[] = "/tmp/tcm-test-descriptors-XXXXXX";

static void
use_heap(void)
{
  void *block[200];
  size_t i;

  for (i = 0; i < 200; i++) {
    block[i] = malloc(harness_size(i * 37));
    if (block[i] == NULL)
      _exit(HARNESS_FAIL);
  }
  for (i = 0; i < 200; i++)
    free(block[i]);
}

/* Frees a pointer that is not a block: tcm reports it and aborts. */
static void
provoke_message(void)
{
  struct rlimit no_core = {0, 0};

  setrlimit(RLIMIT_CORE, &no_core);
  free(harness_pointer((void *)(uintptr_t)16));
}

/* What this program does when it is run again: @what is argv[1], @file is
 * argv[2]. */
static int
be_child(const char *what, const char *file)
{
  int fd;

  alarm(CHILD_LIMIT);
  if (strcmp(what, "--closed") == 0) {
    /* 0, 1 and 2 were closed at start; now all three are the file. */
    if (open(file, O_RDWR | O_APPEND) != 0 || dup(0) != 1 || dup(0) != 2)
      return HARNESS_ERROR;
    use_heap();
    provoke_message();
  } else if (strcmp(what, "--reopened") == 0) {
    use_heap();
    close(STDERR_FILENO);
    if (open(file, O_RDWR | O_APPEND) != STDERR_FILENO)
      return HARNESS_ERROR;
    provoke_message();
  } else if (strcmp(what, "--moved-back") == 0) {
    fd = dup(STDERR_FILENO);
    use_heap();
    close(STDERR_FILENO);
    if (dup(fd) != STDERR_FILENO)
      return HARNESS_ERROR;
    provoke_message();
  } else if (strcmp(what, "--plain") == 0) {
    use_heap();
    provoke_message();
  }
  return HARNESS_FAIL; /* not reached: tcm aborts after its message */
}

/* Runs the program @what with the file or /dev/null as standard error, or with
 * no open descriptor.  A misspelled option also makes tcm report at start, if
 * it can.  The process must abort.  Returns the size of the file afterward. */
static long
bytes_written(const char *what, int standard_error_is_file, char *text,
              size_t size)
{
  struct stat st;
  pid_t child;
  int status, fd = open(path, O_RDWR | O_TRUNC | O_APPEND);

  REQUIRE(fd > 2);
  child = child_fork();
  if (child == 0) {
    setenv("TCM_CHECKS", "1", 1);
    if (strcmp(what, "--closed") == 0) {
      close(0);
      close(1);
      close(2);
    } else {
      dup2(standard_error_is_file ? fd : open("/dev/null", O_WRONLY), 2);
    }
    close(fd);
    execl("/proc/self/exe", "descriptors", what, path, (char *)NULL);
    _exit(HARNESS_ERROR);
  }
  REQUIRE(waitpid(child, &status, 0) == child);
  EXPECT_FOR(WIFSIGNALED(status) &&
                 (WTERMSIG(status) == SIGABRT || !harness_expects_tcm()),
             "%s ended with %x", what, (unsigned)status);
  REQUIRE(fstat(fd, &st) == 0);
  memset(text, 0, size);
  REQUIRE(pread(fd, text, size - 1, 0) >= 0);
  close(fd);
  return (long)st.st_size;
}

static void
expect_silence(const char *what)
{
  char text[1024];
  long bytes = bytes_written(what, 0, text, sizeof text);

  EXPECT_FOR(bytes == 0, "%s: %ld bytes: %s", what, bytes, text);
}

static void
expect_two_lines(const char *what)
{
  char text[1024], *second;

  if (!harness_expects_tcm()) {
    harness_skip("only tcm writes lines");
    return;
  }
  EXPECT(bytes_written(what, 1, text, sizeof text) > 0);
  second = strchr(text, '\n');
  EXPECT_FOR(strncmp(text, "tcm: ", 5) == 0, "%s: %s", what, text);
  EXPECT_FOR(second != NULL && strncmp(second + 1, "tcm: ", 5) == 0, "%s: %s",
             what, text);
  EXPECT_FOR(strstr(text, "TCM_CHECKS") != NULL, "%s: %s", what, text);
}

static void
closed_at_start(void)
{
  expect_silence("--closed");
}

static void
reopened_as_another_file(void)
{
  expect_silence("--reopened");
}

static void
still_the_same_file(void)
{
  expect_two_lines("--plain");
}

static void
same_file_by_another_way(void)
{
  expect_two_lines("--moved-back");
}

static const struct harness_case cases[] = {
    {"closed-at-start", closed_at_start},
    {"reopened-as-another-file", reopened_as_another_file},
    {"still-the-same-file", still_the_same_file},
    {"same-file-by-another-way", same_file_by_another_way},
};

int
main(int argc, char **argv)
{
  int fd, status;

  if (argc == 3 && strncmp(argv[1], "--", 2) == 0)
    return be_child(argv[1], argv[2]);
  fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  status = harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
  unlink(path);
  return status;
}
