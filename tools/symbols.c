/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds names for addresses.  elfutils' libdw reads them from the files of the
 * target; it handles inlined functions and separate debug files, and uses
 * debuginfod if the system has it.  Without libdw, or if a file has no names,
 * the result is the file and an offset.
 */
#include "profile.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#ifdef HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <elfutils/libdwfl.h>
#endif

#define BUCKETS 4096

struct symbol {
  struct symbol *next;
  uintptr_t pc;
  struct names names;
};

struct symbols {
  const struct target *target;
  struct mappings mappings;
  struct symbol *buckets[BUCKETS];
  char *(*demangle)(const char *, char *, size_t *, int *);
#ifdef HAVE_LIBDW
  Dwfl *dwfl;
  Elf *elf; /* of a core file */
  int fd;   /* the same */
#endif
};

static char *
copy_text(const char *text)
{
  char *copy = strdup(text);

  if (copy == NULL)
    abort();
  return copy;
}

/* Removes the hash that Rust adds to each name. */
static void
cut_rust_hash(char *name)
{
  size_t length = strlen(name);

  if (length > 19 && strncmp(name + length - 19, "::h", 3) == 0 &&
      strspn(name + length - 16, "0123456789abcdef") == 16)
    name[length - 19] = '\0';
}

/* The name as in the source, without the version of the symbol, as in
 * "f@@GLIBC_2.34"; the caller frees it. */
__attribute__((unused)) static char *
readable_name(struct symbols *symbols, const char *name)
{
  int failed = 0;
  char *plain_name = copy_text(name), *text;

  if (plain_name[0] != '\0')
    plain_name[1 + strcspn(plain_name + 1, "@")] = '\0';
  if (strncmp(plain_name, "_Z", 2) != 0 || symbols->demangle == NULL)
    return plain_name;
  text = symbols->demangle(plain_name, NULL, NULL, &failed);
  if (text == NULL)
    return plain_name;
  free(plain_name);
  cut_rust_hash(text);
  return text;
}

/* ---- Without debug information ----------------------------------------- */
/* Returns "file+0x123". */
static char *
place_by_maps(const struct mappings *mappings, uintptr_t pc)
{
  const struct mapping *mapping = mappings_find(mappings, pc);
  char text[4200];

  if (mapping == NULL)
    snprintf(text, sizeof text, "%#" PRIxPTR, pc);
  else if (mapping->path[0] == '/')
    snprintf(text, sizeof text, "%s+%#" PRIx64, strrchr(mapping->path, '/') + 1,
             pc - mapping->start + mapping->offset);
  else
    snprintf(text, sizeof text, "[code made at run time]");
  return copy_text(text);
}

#ifdef HAVE_LIBDW
/* ---- With debug information ---------------------------------------------- */
/* Opens the file as the target sees it; the target's root may differ. */
static int
find_elf(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
         char **file, Elf **elf)
{
  char path[4200];
  int fd;

  if (name[0] == '/' && *data != NULL) {
    snprintf(path, sizeof path, "/proc/%d/root%s", *(const int *)*data, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      *file = copy_text(name);
      return fd;
    }
  }
  return dwfl_linux_proc_find_elf(module, data, name, base, file, elf);
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
};

static const Dwfl_Callbacks core_callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = dwfl_standard_find_debuginfo,
};

static int
set_data(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr start,
         void *pid)
{
  (void)module;
  (void)name;
  (void)start;
  *data = pid;
  return DWARF_CB_OK;
}

/* Whether the mapped file is still there, unchanged. */
static bool
is_here(const struct mapping *mapping)
{
  int fd = open(mapping->path, O_RDONLY | O_CLOEXEC);
  Elf *elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ_MMAP, NULL);
  char text[2 * BUILD_ID_MAX + 1] = "";
  const void *id = NULL;
  ssize_t n = elf == NULL ? 0 : dwelf_elf_gnu_build_id(elf, &id);

  for (ssize_t i = 0; i < n && i < BUILD_ID_MAX; i++)
    snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)id)[i]);
  if (elf != NULL)
    elf_end(elf);
  if (fd >= 0)
    close(fd);
  return text[0] != '\0' && strcmp(text, mapping->build_id) == 0;
}

/* Whether libdw found the file, at its path or by its build-id. */
static bool
has_file(const struct symbols *symbols, const struct mapping *mapping)
{
  Dwfl_Module *module = symbols->dwfl == NULL
                            ? NULL
                            : dwfl_addrmodule(symbols->dwfl, mapping->start);
  const char *file = NULL;
  Dwarf_Addr bias;

  if (module == NULL || dwfl_module_getelf(module, &bias) == NULL)
    return false;
  dwfl_module_info(module, NULL, NULL, NULL, NULL, NULL, &file, NULL);
  return file != NULL || is_here(mapping);
}

/* Reports, in one line, the files whose functions will have no names. */
static void
tell_missing(const struct symbols *symbols)
{
  const struct mappings *mappings = &symbols->mappings;
  char text[1024] = "";
  size_t length = 0;

  for (size_t i = 0; i < mappings->n; i++) {
    const struct mapping *mapping = &mappings->list[i];
    if (mapping->code && mapping->path[0] == '/' && length < 512 &&
        !has_file(symbols, mapping))
      length += (size_t)snprintf(text + length, sizeof text - length,
                                 "%s%.400s", length == 0 ? "" : ", ",
                                 strrchr(mapping->path, '/') + 1);
  }
  if (length > 0)
    complain("%s: no names for code of %s, which %s missing, or from another "
             "build",
             symbols->target->argument, text,
             strchr(text, ',') == NULL ? "is" : "are");
}

/* libdw looks for files at the paths that the process used, and by build-id. */
static void
dwfl_open_core(struct symbols *symbols)
{
  elf_version(EV_CURRENT);
  symbols->fd = open(symbols->target->argument, O_RDONLY | O_CLOEXEC);
  if (symbols->fd >= 0)
    symbols->elf = elf_begin(symbols->fd, ELF_C_READ_MMAP, NULL);
  if (symbols->elf != NULL)
    symbols->dwfl = dwfl_begin(&core_callbacks);
  if (symbols->dwfl != NULL &&
      (dwfl_core_file_report(symbols->dwfl, symbols->elf, NULL) < 0 ||
       dwfl_report_end(symbols->dwfl, NULL, NULL) != 0)) {
    dwfl_end(symbols->dwfl);
    symbols->dwfl = NULL;
  }
  tell_missing(symbols);
}

static void
dwfl_open(struct symbols *symbols)
{
  const struct target *target = symbols->target;

  if (target->core != NULL) {
    dwfl_open_core(symbols);
    return;
  }
  symbols->dwfl = dwfl_begin(&callbacks);
  if (symbols->dwfl == NULL)
    return;
  if (dwfl_linux_proc_report(symbols->dwfl, target->pid) != 0 ||
      dwfl_report_end(symbols->dwfl, NULL, NULL) != 0) {
    dwfl_end(symbols->dwfl);
    symbols->dwfl = NULL;
    return;
  }
  dwfl_getmodules(symbols->dwfl, set_data,
                  (void *)(uintptr_t)&symbols->target->pid, 0);
}

static void
add_name(struct symbols *symbols, struct names *names, const char *name)
{
  if (names->count < NAMES_MAX)
    names->name[names->count++] = readable_name(symbols, name);
}

/* The linkage name of a function, if any, since it includes the argument
 * types. */
static const char *
die_name(Dwarf_Die *die)
{
  Dwarf_Attribute attribute;
  const char *name = dwarf_formstring(
      dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));

  return name != NULL ? name : dwarf_diename(die);
}

/* Adds the functions that were inlined at @pc. */
static void
add_inlined(struct symbols *symbols, Dwfl_Module *module, uintptr_t pc,
            struct names *names)
{
  Dwarf_Addr bias = 0;
  Dwarf_Die *unit = dwfl_module_addrdie(module, pc, &bias), *scopes = NULL;
  int n = unit == NULL ? 0 : dwarf_getscopes(unit, pc - bias, &scopes);

  for (int i = 0; i < n; i++) {
    const char *name;
    if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
      break;
    if (dwarf_tag(&scopes[i]) == DW_TAG_inlined_subroutine &&
        (name = die_name(&scopes[i])) != NULL)
      add_name(symbols, names, name);
  }
  free(scopes);
}

static bool
find_by_dwfl(struct symbols *symbols, uintptr_t pc, struct names *names)
{
  Dwfl_Module *module =
      symbols->dwfl == NULL ? NULL : dwfl_addrmodule(symbols->dwfl, pc);
  const char *name, *file;
  Dwfl_Line *line;

  if (module == NULL)
    return false;
  add_inlined(symbols, module, pc, names);
  name = dwfl_module_addrname(module, pc);
  if (name == NULL)
    return names->count > 0;
  add_name(symbols, names, name);
  line = dwfl_module_getsrc(module, pc);
  file = line == NULL
             ? NULL
             : dwfl_lineinfo(line, NULL, &names->line, NULL, NULL, NULL);
  if (file != NULL)
    names->file =
        copy_text(strrchr(file, '/') == NULL ? file : strrchr(file, '/') + 1);
  return true;
}
#else
static void
dwfl_open(struct symbols *symbols)
{
  (void)symbols;
}

static bool
find_by_dwfl(struct symbols *symbols, uintptr_t pc, struct names *names)
{
  (void)pc;
  (void)names;
  (void)symbols;
  return false;
}
#endif

/* ---- In general ---------------------------------------------------------- */
/* libstdc++ is opened at run time: a system with C++ names usually has it. */
struct symbols *
symbols_open(const struct target *target)
{
  struct symbols *symbols = calloc(1, sizeof *symbols);
  void *library = dlopen("libstdc++.so.6", RTLD_LAZY);

  if (symbols == NULL)
    abort();
  symbols->target = target;
  mappings_read(target, &symbols->mappings);
  if (library != NULL)
    *(void **)&symbols->demangle = dlsym(library, "__cxa_demangle");
  dwfl_open(symbols);
  return symbols;
}

void
symbols_close(struct symbols *symbols)
{
  for (size_t i = 0; i < BUCKETS; i++)
    while (symbols->buckets[i] != NULL) {
      struct symbol *symbol = symbols->buckets[i];
      symbols->buckets[i] = symbol->next;
      for (unsigned k = 0; k < symbol->names.count; k++)
        free((void *)(uintptr_t)symbol->names.name[k]);
      free((void *)(uintptr_t)symbol->names.file);
      free(symbol);
    }
#ifdef HAVE_LIBDW
  if (symbols->dwfl != NULL)
    dwfl_end(symbols->dwfl);
  if (symbols->elf != NULL)
    elf_end(symbols->elf);
  if (symbols->target->core != NULL && symbols->fd >= 0)
    close(symbols->fd);
#endif
  mappings_free(&symbols->mappings);
  free(symbols);
}

const struct mappings *
symbols_mappings(const struct symbols *symbols)
{
  return &symbols->mappings;
}

const struct names *
symbols_find(struct symbols *symbols, uintptr_t pc)
{
  struct symbol **bucket =
      &symbols->buckets[(pc ^ pc >> 12 ^ pc >> 24) % BUCKETS];
  struct symbol *symbol;

  for (symbol = *bucket; symbol != NULL; symbol = symbol->next)
    if (symbol->pc == pc)
      return &symbol->names;
  symbol = calloc(1, sizeof *symbol);
  if (symbol == NULL)
    abort();
  symbol->pc = pc;
  symbol->next = *bucket;
  *bucket = symbol;
  /* A return address is after the call. */
  symbol->names.found = find_by_dwfl(symbols, pc - 1, &symbol->names);
  if (!symbol->names.found)
    symbol->names.name[symbol->names.count++] =
        place_by_maps(&symbols->mappings, pc - 1);
  return &symbol->names;
}

bool
symbols_is_allocator(const char *name)
{
  static const char *const beginnings[] = {
      "tcm_",       "tcmi_",         "operator new", "std::", "__gnu_cxx::",
      "void std::", "__libc_malloc", "void* std::",  "_dl_",  "alloc::",
      "__rust_",    "__rdl_",        "libtcm"};
  static const char *const names[] = {
      "malloc",          "calloc",        "realloc",        "reallocarray",
      "memalign",        "aligned_alloc", "valloc",         "strdup",
      "strndup",         "__strdup",      "posix_memalign", "pvalloc",
      "allocate_slower", "new_slow",      "__strndup",      "add_here"};

  for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
    if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
      return true;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i]) == 0)
      return true;
  return strstr(name, " std::") != NULL && strchr(name, '(') != NULL &&
         strstr(name, " std::") < strchr(name, '(');
}

/* Maximum number of characters after "alloc" in the name of a wrapper. */
#define WRAPPER_END_MAX 8

/* Whether a function has the name of a program's own malloc: zmalloc_usable,
 * g_malloc0, MemoryContextAlloc; but not allocate_session. */
static bool
is_wrapper(const char *name)
{
  size_t length = strcspn(name, "(<");

  for (size_t tail = 5; tail <= length && tail <= 5 + WRAPPER_END_MAX; tail++)
    if (strncasecmp(name + length - tail, "alloc", 5) == 0)
      return true;
  return false;
}

/* Writes "f (file:line)"; only the innermost name of an address has a line. */
static void
put_frame(const struct names *names, unsigned k, const char *wrapper,
          char *text, size_t size)
{
  char place[512] = "";

  if (k == 0 && names->file != NULL)
    snprintf(place, sizeof place, " (%s:%d)", names->file, names->line);
  snprintf(text, size, "%s%s%s%s", names->name[k], place,
           wrapper == NULL ? "" : ", through ", wrapper == NULL ? "" : wrapper);
}

/* Writes the first frame that is not a wrapper, and the innermost wrapper; only
 * that wrapper if there is no such frame. */
void
symbols_culprit(struct symbols *symbols, const struct stack_view *stack,
                char *text, size_t size)
{
  const char *wrapper = NULL;

  snprintf(text, size, "unknown code");
  for (uint32_t i = 0; i < stack->depth; i++) {
    const struct names *names = symbols_find(symbols, stack->pcs[i]);
    if (i == 0)
      snprintf(text, size, "%s", names->name[0]);
    for (unsigned k = 0; k < names->count; k++) {
      if (symbols_is_allocator(names->name[k]))
        continue;
      if (!is_wrapper(names->name[k])) {
        put_frame(names, k, wrapper, text, size);
        return;
      }
      if (wrapper == NULL) {
        wrapper = names->name[k];
        put_frame(names, k, NULL, text, size);
      }
    }
  }
}
