// Steps on how the kernel runs the process: processors, priorities, memory, personality.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MASK_LIMIT = 1024 /* bytes: 8192 processors or nodes */, THIS_PROCESS = 1 };

int step_scheduler(struct child *child, struct cursor *c) {
  (void)child;
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
  } attributes = {.size = sizeof attributes};
  attributes.policy = take_u32(c);
  attributes.flags = take_u64(c);
  attributes.nice = (int32_t)take_u32(c);
  attributes.priority = take_u32(c);
  attributes.runtime = take_u64(c);
  attributes.deadline = take_u64(c);
  attributes.period = take_u64(c);
  return c->bad ? -1 : (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

int step_io_priority(struct child *child, struct cursor *c) {
  (void)child;
  int value = (int)take_u32(c);
  return c->bad ? -1 : (int)syscall(SYS_ioprio_set, THIS_PROCESS, 0, value);
}

// A mask as the kernel wants it: in whole words, the rest of which is clear. 0 where it is too long.
static size_t take_mask(struct cursor *c, unsigned long mask[MASK_LIMIT / sizeof(unsigned long)]) {
  uint32_t size;
  const uint8_t *bytes = take_bytes(c, &size);
  if (c->bad || size > MASK_LIMIT) return 0;
  memset(mask, 0, MASK_LIMIT);
  if (size) memcpy(mask, bytes, size);
  return (size + sizeof *mask - 1) / sizeof *mask * sizeof *mask;
}

int step_memory_policy(struct child *child, struct cursor *c) {
  (void)child;
  int mode = (int)take_u32(c);
  unsigned long nodes[MASK_LIMIT / sizeof(unsigned long)];
  size_t size = take_mask(c, nodes);
  if (c->bad) return -1;
  // The kernel looks at one bit less than it is told.
  return (int)syscall(SYS_set_mempolicy, mode, size ? nodes : NULL, size ? size * 8 + 1 : 0);
}

int step_personality(struct child *child, struct cursor *c) {
  (void)child;
  uint32_t persona = take_u32(c);
  return c->bad || personality(persona) < 0 ? -1 : 0;
}

int step_cpu_affinity(struct child *child, struct cursor *c) {
  (void)child;
  unsigned long processors[MASK_LIMIT / sizeof(unsigned long)];
  size_t size = take_mask(c, processors);
  if (c->bad || size == 0) return refuse(EINVAL);
  return (int)syscall(SYS_sched_setaffinity, 0, size, processors);
}
