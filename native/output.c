// From the processes' pipes and terminals to the log and to the attach clients.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

uint8_t read_buffer[READ_SIZE] __attribute__((aligned(4096)));
bool buffers_dirty;

enum { LITTLE = 8 << 10, DRAIN_LIMIT = 1 << 20 /* the largest pipe that an unprivileged process can make */ };

static uint32_t index_of(const struct process *p) { return (uint32_t)(p - processes); }

void watch_output(struct process *p) {
  for (int i = 0; i < 2; i++)
    if (p->out[i] >= 0 && !p->paused) watch(p->out[i], EPOLLIN, i == 0 ? ON_OUT : ON_ERR, index_of(p));
}

// Taken out of epoll altogether: a hangup would be reported whatever is asked for, again and again.
void pause_output(struct process *p) {
  for (int i = 0; i < 2; i++)
    if (p->out[i] >= 0) unwatch(p->out[i]);
}

void close_output(struct process *p, int which) {
  if (p->out[which] < 0) return;
  if (p == &processes[0]) log_end(which);
  if (!p->paused) unwatch(p->out[which]);
  close(p->out[which]);
  p->out[which] = -1;
}

bool output_ended(const struct process *p) { return p->out[0] < 0 && p->out[1] < 0; }

// One read. Returns its size, 0 where there is nothing now or the end was reached.
static size_t pass_on(struct process *p, int which) {
  ssize_t size = read(p->out[which], read_buffer, sizeof read_buffer);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (size <= 0) { // a terminal without a slave says EIO
    close_output(p, which);
    return 0;
  }
  if (size > LITTLE) buffers_dirty = true;
  if (p == &processes[0]) log_output(which, read_buffer, (size_t)size);
  deliver(p, which, read_buffer, (size_t)size);
  return (size_t)size;
}

void on_output(struct process *p, int which) {
  if (p->out[which] < 0) return;
  pass_on(p, which);
  if (p->state == EXITED && output_ended(p)) {
    p->straggler_deadline = 0;
    finish_clients(p);
  }
}

// What the process wrote before it died is in the pipe by now (a terminal's read flushes its line discipline). The bound is for
// descendants that go on writing.
void drain_output(struct process *p) {
  for (int i = 0; i < 2; i++) {
    size_t passed = 0, size;
    while (p->out[i] >= 0 && passed < DRAIN_LIMIT && (size = pass_on(p, i)) > 0) passed += size;
  }
}

void release_buffers(void) {
  madvise(read_buffer, sizeof read_buffer, MADV_DONTNEED);
  release_log_buffer();
  buffers_dirty = false;
}
