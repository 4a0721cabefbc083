/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Maps a core file and looks up its segments by address.
 */
#include "fault.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <unistd.h>

struct core {
  const char *bytes; /* the whole file */
  size_t size;
  const Elf64_Phdr *headers; /* in the file */
  size_t nheaders;
};

static bool
core_map(struct core *core, int fd)
{
  struct stat st;
  void *bytes;

  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
    errno = EINVAL;
    return false;
  }
  bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED)
    return false;
  core->bytes = bytes;
  core->size = (size_t)st.st_size;
  return true;
}

/* Whether it is a valid core file of this machine type.  If the number of
 * headers does not fit its field, the first section holds it. */
static bool
core_check(struct core *core)
{
  const Elf64_Ehdr *elf = (const Elf64_Ehdr *)(const void *)core->bytes;
  const Elf64_Shdr *section;

  if (core->size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) != 0 ||
      elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_type != ET_CORE ||
      elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phoff > core->size ||
      elf->e_phoff % 8 != 0)
    return false;
  core->nheaders = elf->e_phnum;
  if (elf->e_phnum == PN_XNUM) {
    if (elf->e_shoff > core->size - sizeof *section || elf->e_shoff % 8 != 0)
      return false;
    section = (const Elf64_Shdr *)(const void *)(core->bytes + elf->e_shoff);
    core->nheaders = section->sh_info;
  }
  core->headers =
      (const Elf64_Phdr *)(const void *)(core->bytes + elf->e_phoff);
  return core->nheaders <= (core->size - elf->e_phoff) / sizeof(Elf64_Phdr);
}

struct core *
core_open(const char *path, enum status *status)
{
  struct core *core = calloc(1, sizeof *core);
  int fd = open(path, O_RDONLY | O_CLOEXEC);

  if (core == NULL || fd < 0 || !core_map(core, fd)) {
    complain("%s: %s", path, strerror(errno));
    *status = errno == EACCES ? STATUS_NO_PERMISSION : STATUS_FAILED;
  } else if (!core_check(core)) {
    complain("%s is not a core file", path);
    *status = STATUS_FAILED;
  }
  if (fd >= 0)
    close(fd);
  if (*status == STATUS_OK)
    return core;
  if (core != NULL)
    core_close(core);
  return NULL;
}

void
core_close(struct core *core)
{
  if (core->bytes != NULL)
    munmap((void *)(uintptr_t)core->bytes, core->size);
  free(core);
}

/* How many bytes of the segment are in the file. */
static size_t
segment_size(const struct core *core, const Elf64_Phdr *segment)
{
  if (segment->p_type != PT_LOAD || segment->p_offset >= core->size)
    return 0;
  return segment->p_filesz < core->size - segment->p_offset
             ? segment->p_filesz
             : core->size - segment->p_offset;
}

/* The memory at an address, and how many bytes follow in its segment. */
static const char *
core_at(const struct core *core, uintptr_t address, size_t *left)
{
  for (size_t i = 0; i < core->nheaders; i++) {
    const Elf64_Phdr *segment = &core->headers[i];
    size_t size = segment_size(core, segment);
    if (address - segment->p_vaddr < size) {
      *left = size - (address - segment->p_vaddr);
      return core->bytes + segment->p_offset + (address - segment->p_vaddr);
    }
  }
  return NULL;
}

int
core_read(const struct core *core, uintptr_t from, void *to, size_t size)
{
  while (size > 0) {
    size_t left = 0, part;
    const char *bytes = core_at(core, from, &left);
    if (bytes == NULL)
      return -EFAULT;
    part = left < size ? left : size;
    memcpy(to, bytes, part);
    to = (char *)to + part;
    from += part;
    size -= part;
  }
  return 0;
}

uintptr_t
core_find_page(const struct core *core, uintptr_t after)
{
  uintptr_t found = 0;

  for (size_t i = 0; i < core->nheaders; i++) {
    const Elf64_Phdr *segment = &core->headers[i];
    size_t size = segment_size(core, segment);
    if (!(segment->p_flags & PF_W))
      continue;
    for (size_t at = 0; at + sizeof(struct stats_page) <= size;
         at += PAGE_SIZE) {
      uintptr_t address = segment->p_vaddr + at;
      if (address > after && (found == 0 || address < found) &&
          memcmp(core->bytes + segment->p_offset + at, TCM_STATS_PAGE_MAGIC,
                 sizeof TCM_STATS_PAGE_MAGIC) == 0)
        found = address;
    }
  }
  return found;
}

/* The content of a note of this type. */
static const char *
find_note(const char *notes, size_t size, uint32_t type, size_t *length)
{
  while (size >= sizeof(Elf64_Nhdr)) {
    const Elf64_Nhdr *note = (const Elf64_Nhdr *)(const void *)notes;
    size_t before = sizeof *note + ((size_t)note->n_namesz + 3) / 4 * 4;
    size_t whole = before + ((size_t)note->n_descsz + 3) / 4 * 4;
    if (whole > size)
      return NULL;
    if (note->n_type == type) {
      *length = note->n_descsz;
      return notes + before;
    }
    notes += whole;
    size -= whole;
  }
  return NULL;
}

const char *
core_note(const struct core *core, uint32_t type, size_t *length)
{
  const char *note = NULL;

  for (size_t i = 0; i < core->nheaders && note == NULL; i++) {
    const Elf64_Phdr *segment = &core->headers[i];
    if (segment->p_type == PT_NOTE && segment->p_offset < core->size &&
        segment->p_filesz <= core->size - segment->p_offset)
      note = find_note(core->bytes + segment->p_offset, segment->p_filesz, type,
                       length);
  }
  return note;
}

/* The process name, from the kernel's note. */
void
core_command(const struct core *core, char *name, size_t size)
{
  struct elf_prpsinfo info;
  size_t length = 0;
  const char *note = core_note(core, NT_PRPSINFO, &length);

  snprintf(name, size, "core file");
  if (note == NULL || length < sizeof info)
    return;
  memcpy(&info, note, sizeof info);
  snprintf(name, size, "%.*s", (int)sizeof info.pr_fname, info.pr_fname);
}

/* Index of the program counter in the kernel's register set. */
#if defined __x86_64__
#define PC_REGISTER 16
#elif defined __aarch64__
#define PC_REGISTER 32
#endif

static uintptr_t
core_pc(const struct core *core)
{
#ifdef PC_REGISTER
  size_t length = 0;
  const char *note = core_note(core, NT_PRSTATUS, &length);
  struct elf_prstatus status;
  elf_greg_t pc;

  if (note != NULL && length >= sizeof status) {
    memcpy(&status, note, sizeof status);
    memcpy(&pc, &status.pr_reg[PC_REGISTER], sizeof pc);
    return (uintptr_t)pc;
  }
#endif
  (void)core;
  return 0;
}

bool
core_fault(const struct core *core, struct fault_view *fault)
{
  size_t length = 0;
  const char *note = core_note(core, NT_SIGINFO, &length);
  siginfo_t info;

  if (note == NULL || length < sizeof info)
    return false;
  memcpy(&info, note, sizeof info);
  if (info.si_signo != SIGSEGV && info.si_signo != SIGBUS)
    return false;
  *fault = (struct fault_view){
      .signal = info.si_signo == SIGBUS ? "SIGBUS" : "SIGSEGV",
      .access = "access",
      .address = (uintptr_t)info.si_addr,
      .pc = core_pc(core),
  };
  /* A signal that a process sent has no address. */
  return info.si_code > 0;
}
