/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads which files a target has mapped, and where: for a process from
 * /proc/PID/maps, for a core file from the kernel's note.
 *
 * Build-ids are read from the memory of the target, near the header of each
 * file.  So they belong to the code that runs, even if the file at the path was
 * replaced.
 */
#include "profile.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Limits for a valid file. */
#define HEADERS_MAX 64
#define NOTES_MAX 4096

/* Adds a mapping, with a copy of the path. */
static struct mapping *
add_mapping(struct mappings *mappings, const char *path)
{
  struct mapping *list =
      realloc(mappings->list, (mappings->n + 1) * sizeof *mappings->list);
  char *copy = strdup(path);

  if (list == NULL || copy == NULL)
    abort();
  mappings->list = list;
  list[mappings->n] = (struct mapping){.path = copy};
  return &list[mappings->n++];
}

/* ---- The header of a file ------------------------------------------------ */
struct header {
  uintptr_t bias; /* added to an address in the file */
  size_t n;
  Elf64_Phdr segments[HEADERS_MAX];
};

/* False if there is no header at that address. */
static bool
read_header(const struct target *target, uintptr_t start, struct header *header)
{
  Elf64_Ehdr elf;
  size_t i;

  *header = (struct header){.n = 0};
  if (target_read(target, start, &elf, sizeof elf) != 0 ||
      memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
      elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phnum > HEADERS_MAX ||
      elf.e_phentsize != sizeof *header->segments ||
      target_read(target, start + elf.e_phoff, header->segments,
                  elf.e_phnum * sizeof *header->segments) != 0)
    return false;
  header->n = elf.e_phnum;
  for (i = 0; i < header->n && header->segments[i].p_type != PT_LOAD; i++)
    ;
  if (i < header->n)
    header->bias =
        start - (header->segments[i].p_vaddr - header->segments[i].p_offset);
  return true;
}

/* Finds the build-id among the notes and writes it as text. */
static bool
find_build_id(const char *notes, size_t size, char *text)
{
  Elf64_Nhdr note;

  while (size >= sizeof note) {
    size_t before, whole;
    memcpy(&note, notes, sizeof note);
    before = sizeof note + ((size_t)note.n_namesz + 3) / 4 * 4;
    whole = before + ((size_t)note.n_descsz + 3) / 4 * 4;
    if (whole > size)
      return false;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        memcmp(notes + sizeof note, "GNU", 4) == 0 &&
        note.n_descsz <= BUILD_ID_MAX) {
      for (size_t i = 0; i < note.n_descsz; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)notes[before + i]);
      return true;
    }
    notes += whole;
    size -= whole;
  }
  return false;
}

static void
read_build_id(const struct target *target, const struct header *header,
              char *text)
{
  char notes[NOTES_MAX];

  for (size_t i = 0; i < header->n; i++) {
    const Elf64_Phdr *segment = &header->segments[i];
    size_t size = segment->p_filesz;
    if (segment->p_type == PT_NOTE && size <= sizeof notes &&
        target_read(target, header->bias + segment->p_vaddr, notes, size) ==
            0 &&
        find_build_id(notes, size, text))
      return;
  }
}

/* Whether the mapping has code, by the headers of its file. */
static bool
is_code(const struct header *header, const struct mapping *mapping)
{
  uint64_t end = mapping->offset + (mapping->end - mapping->start);

  for (size_t i = 0; i < header->n; i++) {
    const Elf64_Phdr *segment = &header->segments[i];
    if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X) &&
        mapping->offset < segment->p_offset + segment->p_filesz &&
        end > segment->p_offset)
      return true;
  }
  return false;
}

/* A file's header is in its mapping from offset 0, which lies below its other
 * mappings.  A core file may lack the code and does not mark what was code. */
static void
read_headers(const struct target *target, struct mappings *mappings)
{
  const struct mapping *first = NULL;
  struct header header;

  for (size_t i = 0; i < mappings->n; i++) {
    struct mapping *mapping = &mappings->list[i];
    if (mapping->path[0] == '\0')
      continue;
    if (mapping->offset == 0) {
      first = read_header(target, mapping->start, &header) ? mapping : NULL;
      if (first != NULL)
        read_build_id(target, &header, mapping->build_id);
    }
    if (first == NULL || strcmp(first->path, mapping->path) != 0)
      continue;
    memmove(mapping->build_id, first->build_id, sizeof mapping->build_id);
    if (target->core != NULL)
      mapping->code = is_code(&header, mapping);
  }
}

/* ---- The list of mappings ------------------------------------------------ */
static void
read_maps(const struct target *target, struct mappings *mappings)
{
  char path[64], line[4200], modes[8];
  unsigned long start, end, offset;
  FILE *file;
  int at;

  snprintf(path, sizeof path, "/proc/%d/maps", (int)target->pid);
  file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    struct mapping *mapping;
    if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %n", &start, &end, modes, &offset,
               &at) < 4)
      continue;
    line[strcspn(line, "\n")] = '\0';
    mapping = add_mapping(mappings, line + at);
    mapping->start = start;
    mapping->end = end;
    mapping->offset = offset;
    mapping->code = strchr(modes, 'x') != NULL;
  }
  if (file != NULL)
    fclose(file);
}

/* The note has words, then names.  The words are the number of files, the page
 * size, and three for each file: start, end and offset in pages. */
static void
read_file_note(const struct target *target, struct mappings *mappings)
{
  size_t size = 0, words;
  const char *note = core_note(target->core, NT_FILE, &size), *name;
  uint64_t head[2], file[3];

  if (note == NULL || size < sizeof head || note[size - 1] != '\0')
    return;
  memcpy(head, note, sizeof head);
  words = (size - sizeof head) / sizeof file;
  if (head[0] > words)
    return;
  name = note + sizeof head + head[0] * sizeof file;
  for (size_t i = 0; i < head[0] && name < note + size; i++) {
    struct mapping *mapping = add_mapping(mappings, name);
    memcpy(file, note + sizeof head + i * sizeof file, sizeof file);
    mapping->start = file[0];
    mapping->end = file[1];
    mapping->offset = file[2] * head[1];
    name += strlen(name) + 1;
  }
}

void
mappings_read(const struct target *target, struct mappings *mappings)
{
  *mappings = (struct mappings){0};
  if (target->core != NULL)
    read_file_note(target, mappings);
  else
    read_maps(target, mappings);
  read_headers(target, mappings);
}

void
mappings_free(struct mappings *mappings)
{
  for (size_t i = 0; i < mappings->n; i++)
    free(mappings->list[i].path);
  free(mappings->list);
}

const struct mapping *
mappings_find(const struct mappings *mappings, uintptr_t address)
{
  for (size_t i = 0; i < mappings->n; i++)
    if (address - mappings->list[i].start <
        mappings->list[i].end - mappings->list[i].start)
      return &mappings->list[i];
  return NULL;
}
