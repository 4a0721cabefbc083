/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * catch.h - a try block in C, for the nothrow forms of operator new.
 *
 * ISO C++ lets a new_handler throw; the nothrow forms must then return a null
 * pointer.  Their caller may be a function that no exception can leave.
 *
 *     tcmi_catch(f, a, b):   try { return f(a, b); } catch (...) { return 0; }
 *
 * The unwinder calls each frame's personality routine.  Ours reports a handler
 * and sets the landing pad, which it finds as the frame's language-specific
 * data.  The runtime that throws provides the unwinder; without it nothing is
 * thrown and none of this runs.
 *
 * Source: Itanium C++ ABI, Exception Handling, level I and 2.4.  On processors
 * with another scheme (32-bit ARM), the exception passes through.
 */
#ifndef TCM_API_CATCH_H
#define TCM_API_CATCH_H

#include "base/compiler.h"

typedef void *tcmi_new_function(size_t size, size_t align);

void *tcmi_catch(tcmi_new_function *function, size_t size, size_t align);

#endif /* TCM_API_CATCH_H */
