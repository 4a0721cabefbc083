/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws a map of the heap: a letter for each huge page, or for each page.
 */
#include "survey.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 64

/* Number of huge pages of each kind. */
struct tally_of_pages {
  uint64_t full, part, idle, returned, unused;
  uint64_t used_pages, idle_pages;
};

void
tables_free(struct tables *tables)
{
  free(tables->busy);
  free(tables->whole);
  free(tables->warm);
  free(tables->committed);
  free(tables->huge);
}

static void *
copy_table(const struct target *target, const void *from, size_t size,
           int *error)
{
  void *table = malloc(size);

  if (table == NULL && *error == 0)
    *error = -ENOMEM;
  if (*error == 0)
    *error = target_read(target, (uintptr_t)from, table, size);
  return table;
}

int
tables_read(const struct target *target, const struct arena *arena,
            struct tables *tables)
{
  size_t words = (arena->nhuge + 63) / 64 * sizeof(uint64_t);
  int error = 0;

  tables->busy = copy_table(target, arena->busy, words, &error);
  tables->whole = copy_table(target, arena->whole, words, &error);
  tables->warm = copy_table(target, arena->warm, words, &error);
  tables->committed =
      copy_table(target, arena->committed,
                 arena->nhuge * sizeof *tables->committed, &error);
  tables->huge = copy_table(target, arena->huge_pages,
                            arena->nhuge * sizeof *tables->huge, &error);
  return error;
}

bool
table_bit(const uint64_t *words, size_t i)
{
  return words[i / 64] >> i % 64 & 1;
}

static unsigned
count_bits(const uint64_t *words)
{
  unsigned n = 0;

  for (size_t i = 0; i < HUGE_PAGE_WORDS; i++)
    n += (unsigned)__builtin_popcountll(words[i]);
  return n;
}

static unsigned
count_idle(const struct huge_page *huge)
{
  unsigned n = 0;

  for (size_t i = 0; i < HUGE_PAGE_WORDS; i++)
    n += (unsigned)__builtin_popcountll(huge->resident[i] & ~huge->used[i]);
  return n;
}

/* Returns the letter of a huge page, and counts the huge page. */
static char
letter_of(const struct tables *t, size_t h, struct tally_of_pages *tally)
{
  unsigned used, idle;

  if (table_bit(t->whole, h)) {
    tally->full++;
    tally->used_pages += HUGE_PAGE_PAGES;
    return '#';
  }
  used = count_bits(t->huge[h].used);
  idle = count_idle(&t->huge[h]);
  tally->used_pages += used;
  tally->idle_pages += idle;
  if (used == HUGE_PAGE_PAGES) {
    tally->full++;
    return '#';
  }
  if (used > 0) {
    tally->part++;
    return (char)('0' + (size_t)used * 10 / HUGE_PAGE_PAGES);
  }
  if (idle > 0) {
    tally->idle++;
    return 'o';
  }
  if (t->committed[h] > 0) {
    tally->returned++;
    return '.';
  }
  tally->unused++;
  return ' ';
}

/* The letter of one page in a huge page. */
static char
letter_of_page(const struct tables *t, size_t h, size_t page)
{
  const struct huge_page *huge = &t->huge[h];

  if (table_bit(t->whole, h) || table_bit(huge->used, page))
    return '#';
  if (table_bit(huge->resident, page))
    return 'o';
  return page < t->committed[h] ? '.' : ' ';
}

static void
put_row(uintptr_t address, const char *letters)
{
  printf("%#14" PRIxPTR " |%s\n", address, letters);
}

/* Prints the pages of a huge page, one letter each. */
static void
put_pages(const struct arena *arena, const struct tables *t, size_t h)
{
  char row[COLUMNS + 1] = "";

  for (size_t page = 0; page < HUGE_PAGE_PAGES; page += COLUMNS) {
    for (size_t i = 0; i < COLUMNS; i++)
      row[i] = letter_of_page(t, h, page + i);
    put_row(arena_address(arena, h * HUGE_PAGE_PAGES + page), row);
  }
}

static void
put_arena(const struct arena *arena, const struct tables *t,
          struct tally_of_pages *tally)
{
  char row[COLUMNS + 1];

  for (size_t h = 0; h < arena->nhuge; h += COLUMNS) {
    size_t n = arena->nhuge - h < COLUMNS ? arena->nhuge - h : COLUMNS;
    memset(row, 0, sizeof row);
    for (size_t i = 0; i < n; i++)
      row[i] = letter_of(t, h + i, tally);
    if (!settings.pages && strspn(row, " ") < n)
      put_row(arena->start + (h << HUGE_PAGE_SHIFT), row);
    for (size_t i = 0; i < n && settings.pages; i++)
      if (strchr("# .o", row[i]) == NULL)
        put_pages(arena, t, h + i);
  }
}

static void
put_summary(const struct tally_of_pages *tally)
{
  char a[32];
  uint64_t held = (tally->full + tally->part) * HUGE_PAGE_PAGES;

  printf("\n%s%s%s\n", bold(),
         settings.pages ? "A character is a page, of huge pages partly in use"
                        : "A character is a huge page of 2 MiB",
         plain());
  if (settings.pages) {
    printf("  #  in use    o  free, resident    .  free, not resident\n");
  } else {
    printf("  #    full                    %10" PRIu64 "\n", tally->full);
    printf("  0-9  tenths of it in use     %10" PRIu64 "\n", tally->part);
    printf("  o    free, resident          %10" PRIu64 "\n", tally->idle);
    printf("  .    free, returned          %10" PRIu64 "\n", tally->returned);
    printf("       not used yet            %10" PRIu64 "\n", tally->unused);
  }
  if (held > 0)
    printf("In the huge pages in use, %.1f %% of the memory is in use; %s is "
           "free\nand resident.\n",
           100.0 * (double)tally->used_pages / (double)held,
           size_text(a, tally->idle_pages << PAGE_SHIFT));
}

static void
put_mapped(const struct heap_view *heap)
{
  char a[32];
  uint64_t bytes = 0;

  for (size_t i = 0; i < heap->nmapped; i++)
    bytes += span_bytes(&heap->mapped[i]);
  if (heap->nmapped > 0)
    printf("%zu large blocks have their own mappings: %s.\n", heap->nmapped,
           size_text(a, bytes));
}

enum status
show_spans(struct target *target)
{
  struct tally_of_pages tally = {0};
  struct heap_view heap;
  enum status status = heap_read(target, &heap);

  for (size_t i = 0; status == STATUS_OK && i < heap.narenas; i++) {
    struct tables tables = {0};
    int error = tables_read(target, &heap.arenas[i].arena, &tables);
    if (error == 0)
      put_arena(&heap.arenas[i].arena, &tables, &tally);
    else if (error != -EFAULT || !target_is_same(target))
      status = target_failed(target, error);
    /* Otherwise the arena was removed while it was read. */
    tables_free(&tables);
  }
  if (status == STATUS_OK) {
    put_summary(&tally);
    put_mapped(&heap);
  }
  heap_free(&heap);
  return status;
}
