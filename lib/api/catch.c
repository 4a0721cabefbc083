/* SPDX-License-Identifier: BSD-2-Clause */
#include "config.h"

#include "api/catch.h"

#if defined(__ARM_EABI__) || defined(__SANITIZE_ADDRESS__)

void *
tcmi_catch(tcmi_new_function *function, size_t size, size_t align)
{
  return function(size, align);
}

#else

#include <unwind.h>

/* The program's runtime; absent where nothing can throw. */
extern void *__cxa_begin_catch(void *exception) WEAK;
extern void __cxa_end_catch(void) WEAK;
extern __typeof__(_Unwind_SetIP) _Unwind_SetIP WEAK;
extern __typeof__(_Unwind_GetLanguageSpecificData)
    _Unwind_GetLanguageSpecificData WEAK;

/* The exception that the landing pad catches. [owner thread] */
static __thread struct _Unwind_Exception *caught;

_Unwind_Reason_Code tcmi_catch_personality(int version, _Unwind_Action actions,
                                           _Unwind_Exception_Class class,
                                           struct _Unwind_Exception *exception,
                                           struct _Unwind_Context *context)
    __attribute__((used));

_Unwind_Reason_Code
tcmi_catch_personality(int version, _Unwind_Action actions,
                       _Unwind_Exception_Class class,
                       struct _Unwind_Exception *exception,
                       struct _Unwind_Context *context)
{
  (void)version;
  (void)class;
  /* A canceled thread unwinds too, and must not be stopped. */
  if (actions & _UA_FORCE_UNWIND)
    return _URC_CONTINUE_UNWIND;
  if (actions & _UA_SEARCH_PHASE)
    return _URC_HANDLER_FOUND;
  caught = exception;
  _Unwind_SetIP(context, (_Unwind_Ptr)_Unwind_GetLanguageSpecificData(context));
  return _URC_INSTALL_CONTEXT;
}

/* The frame that catches.  The compiler sees the jump to the landing pad as one
 * that the first statement after the call may make.  The unwinder makes it from
 * inside the call, with the same saved registers and the same stack. */
NOINLINE void *
tcmi_catch(tcmi_new_function *function, size_t size, size_t align)
{
  void *block;

  __asm__ volatile(".cfi_personality 0x1b, tcmi_catch_personality\n\t"
                   ".cfi_lsda 0x1b, .Ltcm_catch_landing");
  block = function(size, align);
  __asm__ goto("" : : : "memory" : landing);
  return block;

landing:
  __asm__ volatile(".Ltcm_catch_landing:");
  if (__cxa_begin_catch != NULL && __cxa_end_catch != NULL) {
    (void)__cxa_begin_catch(caught);
    __cxa_end_catch();
  }
  return NULL;
}

#endif
