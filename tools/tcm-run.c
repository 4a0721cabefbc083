/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcm-run(1): runs one program with tcm.
 *
 * The library is put before the other entries of LD_PRELOAD.  Two kinds of
 * programs are refused with a message, since silence would look like success:
 * those with a sanitizer's allocator, and those into which the loader preloads
 * nothing, static or set-user-ID.
 */
#include "config.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <getopt.h>

#include "base/options.h"
#include "value.h"

/* Exit status as of env(1) and timeout(1). */
enum { STATUS_FAILED = 125, STATUS_CANNOT_RUN = 126, STATUS_NOT_FOUND = 127 };

#define LIBRARY_NAME "libtcm.so.0"

static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"library", required_argument, NULL, 'l'},
    {"option", required_argument, NULL, 'o'},
    {"stats", no_argument, NULL, 's'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static const char usage_text[] =
    "Usage: tcm-run [-s] [-o OPTION=VALUE]... [--] PROGRAM [ARGUMENT]...\n"
    "Run a program, and what it starts, on the memory allocator tcm.\n"
    "\n"
    "  -s, --stats         let each process write a report to standard error\n"
    "                      when it exits\n"
    "  -o, --option=OPTION=VALUE\n"
    "                      set an option of tcm, see tcm(7)\n"
    "  -l, --library=FILE  preload this library, not the one installed\n"
    "  -h, --help          this text\n"
    "      --version       the version\n"
    "\n"
    "Exit status: that of the program; 125 if tcm-run fails, 126 if the\n"
    "program cannot be run, or not on tcm, 127 if there is none.\n";

static _Noreturn void
fail(int status, const char *format, ...)
{
  va_list arguments;

  fprintf(stderr, "tcm-run: ");
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(status);
}

/* ---- Options ------------------------------------------------------------- */
static const struct {
  const char *name;
  uint64_t min, max;
} rows[] = {
#define OPTION(name, default_value, min, max, fixed, help) {#name, min, max},
#include "base/options.def"
};

static const char *const text_rows[] = {
#define TEXT_OPTION(name, help) #name,
#include "base/options.def"
};

static void
set_variable(const char *name, const char *value)
{
  if (setenv(name, value, 1) != 0)
    fail(STATUS_FAILED, "%s: %s", name, strerror(errno));
}

static void
set_option_variable(const char *name, const char *value)
{
  char variable[64] = "TCM_";

  for (size_t c = 0; c < sizeof variable - 5 && name[c] != '\0'; c++)
    variable[4 + c] = (char)toupper((unsigned char)name[c]);
  set_variable(variable, value);
}

/* Sets an option that is a path; false if it is not one. */
static bool
set_text_option(const char *assignment)
{
  size_t length = strcspn(assignment, "=");

  for (size_t i = 0; i < sizeof text_rows / sizeof *text_rows; i++) {
    const char *name = text_rows[i], *value = assignment + length + 1;
    if (strlen(name) != length || strncmp(name, assignment, length) != 0 ||
        assignment[length] == '\0')
      continue;
    if (*value != '/' || strlen(value) >= OPTION_TEXT_BYTES)
      fail(STATUS_FAILED, "%s must be an absolute path of less than %d bytes",
           name, OPTION_TEXT_BYTES);
    set_option_variable(name, value);
    return true;
  }
  return false;
}

/* Checks the range of an option and puts it into the environment.  An invalid
 * value then gives one message here and not one from each process. */
static void
set_option(const char *assignment)
{
  const char *equals = strchr(assignment, '=');
  uint64_t value;
  size_t i = 0;

  if (set_text_option(assignment))
    return;
  while (
      i < sizeof rows / sizeof *rows && equals != NULL &&
      (strlen(rows[i].name) != (size_t)(equals - assignment) ||
       strncmp(rows[i].name, assignment, (size_t)(equals - assignment)) != 0))
    i++;
  if (equals == NULL || i == sizeof rows / sizeof *rows)
    fail(STATUS_FAILED, "%s: not an option; tcm(7) lists them, as OPTION=VALUE",
         assignment);
  if (!value_parse(equals + 1, &value) || value < rows[i].min ||
      value > rows[i].max)
    fail(STATUS_FAILED, "%s is a number from %" PRIu64 " to %" PRIu64,
         rows[i].name, rows[i].min, rows[i].max);
  set_option_variable(rows[i].name, equals + 1);
}

/* ---- The library --------------------------------------------------------- */

/* In a directory that the loader searches by default, the file name alone is
 * enough, and it fits programs of each word size. */
static const char *
installed_library(void)
{
  static const char *const searched[] = {"/lib", "/lib64", "/usr/lib",
                                         "/usr/lib64", MULTIARCH_LIBDIR};

  for (size_t i = 0; i < sizeof searched / sizeof *searched; i++)
    if (strcmp(LIBDIR, searched[i]) == 0)
      return LIBRARY_NAME;
  return LIBDIR "/" LIBRARY_NAME;
}

static void
set_preload(const char *library)
{
  const char *others = getenv("LD_PRELOAD");
  char *both;

  if (strchr(library, '/') != NULL && access(library, R_OK) != 0)
    fail(STATUS_FAILED, "%s: %s", library, strerror(errno));
  if (strpbrk(library, " :") != NULL)
    fail(STATUS_FAILED,
         "%s: the loader accepts no path with a space or a colon", library);
  if (others == NULL || others[0] == '\0') {
    set_variable("LD_PRELOAD", library);
    return;
  }
  if (strstr(others, "libasan") != NULL || strstr(others, "libtsan") != NULL ||
      strstr(others, "libhwasan") != NULL || strstr(others, "libmsan") != NULL)
    fail(STATUS_CANNOT_RUN,
         "LD_PRELOAD names a sanitizer (%s), which has its own allocator",
         others);
  if (asprintf(&both, "%s:%s", library, others) < 0)
    fail(STATUS_FAILED, "no memory");
  set_variable("LD_PRELOAD", both);
  free(both);
}

/* ---- The program --------------------------------------------------------- */

/* The file that execvp(3) would run, or NULL. */
static char *
find_program(const char *name)
{
  const char *path = getenv("PATH");
  char *file = NULL;

  if (strchr(name, '/') != NULL)
    return strdup(name);
  for (path = path != NULL ? path : "/bin:/usr/bin"; path != NULL;) {
    size_t length = strcspn(path, ":");
    if (asprintf(&file, "%.*s/%s", length > 0 ? (int)length : 1,
                 length > 0 ? path : ".", name) < 0)
      return NULL;
    if (access(file, X_OK) == 0)
      return file;
    free(file);
    path = path[length] == ':' ? path + length + 1 : NULL;
  }
  return NULL;
}

/* The program's file.  A file that is not 64-bit ELF of this byte order is left
 * to the kernel. */
struct image {
  const char *bytes;
  size_t size;
  const Elf64_Phdr *headers;
  size_t nheaders;
};

static bool
image_read(const char *bytes, size_t size, struct image *image)
{
  const Elf64_Ehdr *elf = (const Elf64_Ehdr *)(const void *)bytes;

  if (size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
      elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_phoff > size ||
      elf->e_phoff % 8 != 0 || elf->e_phentsize != sizeof(Elf64_Phdr) ||
      elf->e_phnum > (size - elf->e_phoff) / sizeof(Elf64_Phdr))
    return false;
  *image = (struct image){
      bytes, size, (const Elf64_Phdr *)(const void *)(bytes + elf->e_phoff),
      elf->e_phnum};
  return true;
}

static bool
image_has(const struct image *image, uint32_t type)
{
  for (size_t i = 0; i < image->nheaders; i++)
    if (image->headers[i].p_type == type)
      return true;
  return false;
}

/* The sanitizer whose entry point the image imports or defines; NULL if there
 * is none. */
static const char *
image_sanitizer(const struct image *image)
{
  static const char *const entries[][2] = {
      {"__asan_init", "address sanitizer"},
      {"__tsan_init", "thread sanitizer"},
      {"__hwasan_init", "hardware address sanitizer"},
      {"__msan_init", "memory sanitizer"},
      {"libasan.so", "address sanitizer"},
      {"libtsan.so", "thread sanitizer"},
  };

  for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
    if (memmem(image->bytes, image->size, entries[i][0],
               strlen(entries[i][0])) != NULL)
      return entries[i][1];
  return NULL;
}

static void
check_image(const char *file, const struct image *image, mode_t mode)
{
  const char *sanitizer = image_sanitizer(image);

  if (sanitizer != NULL)
    fail(STATUS_CANNOT_RUN,
         "%s is built with the %s, which has its own allocator", file,
         sanitizer);
  if (!image_has(image, PT_INTERP))
    fail(STATUS_CANNOT_RUN, "%s is linked statically: nothing can be preloaded",
         file);
  if (mode & (S_ISUID | S_ISGID))
    fail(STATUS_CANNOT_RUN,
         "%s is set-user-ID or set-group-ID: the loader ignores LD_PRELOAD",
         file);
}

static void
check_program(const char *name)
{
  char *file = find_program(name);
  struct image image;
  struct stat st;
  void *bytes;
  int fd;

  if (file == NULL)
    fail(STATUS_NOT_FOUND, "%s: not found", name);
  fd = open(file, O_RDONLY | O_CLOEXEC);
  /* A file that is executable but not readable is run unchecked. */
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes != MAP_FAILED) {
      if (image_read(bytes, (size_t)st.st_size, &image))
        check_image(file, &image, st.st_mode);
      munmap(bytes, (size_t)st.st_size);
    }
  }
  if (fd >= 0)
    close(fd);
  free(file);
}

int
main(int argc, char **argv)
{
  const char *library = installed_library();
  int option;

  /* The program's own options follow its name. */
  while ((option = getopt_long(argc, argv, "+hl:o:s", long_options, NULL)) !=
         -1) {
    if (option == 'h' || option == 'V') {
      fputs(option == 'h' ? usage_text : "tcm-run " PACKAGE_VERSION "\n",
            stdout);
      return fflush(stdout) == 0 ? 0 : STATUS_FAILED;
    }
    if (option == 'l')
      library = optarg;
    else if (option == 'o')
      set_option(optarg);
    else if (option == 's')
      set_variable("TCM_STATS_AT_EXIT", "1");
    else
      return STATUS_FAILED;
  }
  if (optind == argc)
    fail(STATUS_FAILED, "no program was named; see tcm-run --help");
  check_program(argv[optind]);
  set_preload(library);
  execvp(argv[optind], argv + optind);
  fail(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_RUN, "%s: %s",
       argv[optind], strerror(errno));
}
