/* SPDX-License-Identifier: BSD-2-Clause */
/* A library whose only difference from its twin is the size of a frame. */
void frame_module_call(void (*function)(void));

__attribute__((visibility("default"))) void
frame_module_call(void (*function)(void))
{
  volatile char room[FRAME_ROOM];

  room[0] = 1;
  function();
  room[1] = room[0];
}
