/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - pages for a browser, each in a single file.
 *
 *     report.html, flame.html      the template, with marks:
 *       @STYLE@    page.css        colors, light and dark
 *       @SCRIPT@   page.js         sizes, elements, bars
 *       @FLAME@    flame.js        the flame graph of a profile
 *       @DATA@                     JSON that the caller writes
 *
 * Invariants
 *   H1  the page refers to no other file and no network address.
 *   H2  the data contains no "<": a name from a program can neither end the
 *       element nor start another.  The scripts insert text only as text nodes.
 */
#ifndef TOOLS_PAGE_H
#define TOOLS_PAGE_H

#include "profile.h"

enum page_form { FORM_REPORT, FORM_FLAME };

/* Returns STATUS_OK unless the page would be written to a terminal. */
enum status page_check_output(const char *command);
/* Writes a page; @put_data writes its data. */
void page_write(enum page_form form, void (*put_data)(const void *from),
                const void *from);
/* Writes a text as a JSON string, see H2. */
void page_put_text(const char *text);
/* Writes text that is JSON already, see H2. */
void page_put_json(const char *json);
/* Writes the time of the page as a member. */
void page_put_time(void);
/* Writes a profile as an object.  @note is a sentence for the reader, or "". */
void page_put_profile(const struct profile_view *view, struct symbols *symbols,
                      const char *note);

#endif /* TOOLS_PAGE_H */
