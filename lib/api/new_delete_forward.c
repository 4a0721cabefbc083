/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A separate file, so that the calls go through the symbols.  If a program
 * replaces only operator new and operator delete, the array, sized and nothrow
 * forms must call the program's.  Otherwise a block of one heap would be freed
 * in another.
 */
#include "config.h"

#include "api/catch.h"
#include "api/names.h"
#include "api/new_delete.h"

/* With the option check, a size that the block cannot have is an error. */
static ALWAYS_INLINE void
check_size(void *ptr, size_t size, size_t align)
{
  if (unlikely(tcmi_thread_cache_state != CACHE_OPEN))
    name_check_size(CALL_HERE("operator delete"), ptr, size, align);
}

/* Calls the program's operator new if it has one, else tcm's. */
static void *
new_plain(size_t size, size_t align)
{
  if (unlikely(!IS_SAME(operator_new, tcmi_operator_new)))
    return operator_new(size);
  return tcmi_operator_new_or_null(NULL, size, align);
}

static void *
new_with_alignment(size_t size, size_t align)
{
  if (unlikely(!IS_SAME(operator_new_aligned, tcmi_operator_new_aligned)))
    return operator_new_aligned(size, align);
  return tcmi_operator_new_or_null(NULL, size, align);
}

void *new_nothrow(size_t size, const void *tag)
    MANGLED("_Znw" SIZE "RKSt9nothrow_t");
void *
new_nothrow(size_t size, const void *tag)
{
  void *block = NULL;

  (void)tag;
  if (likely(IS_SAME(operator_new, tcmi_operator_new)))
    block = thread_cache_pop(size);
  return likely(block != NULL) ? block : tcmi_catch(new_plain, size, 1);
}

void *new_aligned_nothrow(size_t size, size_t align, const void *tag)
    MANGLED("_Znw" SIZE "St11align_val_tRKSt9nothrow_t");
void *
new_aligned_nothrow(size_t size, size_t align, const void *tag)
{
  (void)tag;
  return tcmi_catch(new_with_alignment, size, align);
}

/* The array forms call the plain ones, which may be the program's. */

void *new_array(size_t size) MANGLED("_Zna" SIZE);
void *
new_array(size_t size)
{
  return operator_new(size);
}

void *new_array_nothrow(size_t size, const void *tag)
    MANGLED("_Zna" SIZE "RKSt9nothrow_t");
void *
new_array_nothrow(size_t size, const void *tag)
{
  return new_nothrow(size, tag);
}

void *new_array_aligned(size_t size, size_t align)
    MANGLED("_Zna" SIZE "St11align_val_t");
void *
new_array_aligned(size_t size, size_t align)
{
  return operator_new_aligned(size, align);
}

void *new_array_aligned_nothrow(size_t size, size_t align, const void *tag)
    MANGLED("_Zna" SIZE "St11align_val_tRKSt9nothrow_t");
void *
new_array_aligned_nothrow(size_t size, size_t align, const void *tag)
{
  return new_aligned_nothrow(size, align, tag);
}

void delete_sized(void *ptr, size_t size) MANGLED("_ZdlPv" SIZE);
void
delete_sized(void *ptr, size_t size)
{
  check_size(ptr, size, /*align=*/0);
  operator_delete(ptr);
}

void delete_nothrow(void *ptr, const void *tag) MANGLED("_ZdlPvRKSt9nothrow_t");
void
delete_nothrow(void *ptr, const void *tag)
{
  (void)tag;
  operator_delete(ptr);
}

void delete_aligned_nothrow(void *ptr, size_t align, const void *tag)
    MANGLED("_ZdlPvSt11align_val_tRKSt9nothrow_t");
void
delete_aligned_nothrow(void *ptr, size_t align, const void *tag)
{
  (void)tag;
  operator_delete_aligned(ptr, align);
}

void delete_sized_aligned(void *ptr, size_t size, size_t align)
    MANGLED("_ZdlPv" SIZE "St11align_val_t");
void
delete_sized_aligned(void *ptr, size_t size, size_t align)
{
  check_size(ptr, size, align);
  operator_delete_aligned(ptr, align);
}

void delete_array(void *ptr) MANGLED("_ZdaPv");
void
delete_array(void *ptr)
{
  operator_delete(ptr);
}

void delete_array_aligned(void *ptr, size_t align)
    MANGLED("_ZdaPvSt11align_val_t");
void
delete_array_aligned(void *ptr, size_t align)
{
  operator_delete_aligned(ptr, align);
}

void delete_array_sized(void *ptr, size_t size) MANGLED("_ZdaPv" SIZE);
void
delete_array_sized(void *ptr, size_t size)
{
  check_size(ptr, size, /*align=*/0);
  operator_delete(ptr);
}

void delete_array_nothrow(void *ptr, const void *tag)
    MANGLED("_ZdaPvRKSt9nothrow_t");
void
delete_array_nothrow(void *ptr, const void *tag)
{
  (void)tag;
  operator_delete(ptr);
}

void delete_array_aligned_nothrow(void *ptr, size_t align, const void *tag)
    MANGLED("_ZdaPvSt11align_val_tRKSt9nothrow_t");
void
delete_array_aligned_nothrow(void *ptr, size_t align, const void *tag)
{
  (void)tag;
  operator_delete_aligned(ptr, align);
}

void delete_array_sized_aligned(void *ptr, size_t size, size_t align)
    MANGLED("_ZdaPv" SIZE "St11align_val_t");
void
delete_array_sized_aligned(void *ptr, size_t size, size_t align)
{
  check_size(ptr, size, align);
  operator_delete_aligned(ptr, align);
}
