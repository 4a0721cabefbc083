/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page.h - pages for a browser, each whole in its one file.
 *
 *     report.html, flame.html      the frame, with marks:
 *       @STYLE@    page.css        colors, light and dark
 *       @SCRIPT@   page.js         sizes, elements, bars
 *       @FLAME@    flame.js        the flame graph of a profile
 *       @DATA@                     JSON, which the caller writes
 *
 * Invariants
 *   H1  the page names no other file and no network.
 *   H2  the data holds no "<": no name of a program ends the element or starts
 *       another.  The scripts put texts into the page as texts only.
 */
#ifndef TOOLS_PAGE_H
#define TOOLS_PAGE_H

#include "profile.h"

enum page_form { FORM_REPORT, FORM_FLAME };

/* STATUS_OK, unless the page would go to a terminal. */
enum status page_check_output(const char *command);
/* Writes a page; @put_data writes its data. */
void page_write(enum page_form form, void (*put_data)(const void *from),
                const void *from);
/* A text as JSON, see H2. */
void page_put_text(const char *text);
/* JSON that was made already, see H2. */
void page_put_json(const char *json);
/* The time of the page, as a member. */
void page_put_time(void);
/* A profile as an object.  @note is a sentence for its reader, or "". */
void page_put_profile(const struct profile_view *view, struct symbols *symbols,
                      const char *note);

#endif /* TOOLS_PAGE_H */
