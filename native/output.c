// From the processes' pipes and terminals to the log and to the attach clients.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

uint8_t read_buffer[READ_SIZE] __attribute__((aligned(4096)));
bool buffers_dirty;

enum { LITTLE = 8 << 10 };
enum { TURN = 16 }; // little reads for a FIFO, before others have their turn

static uint32_t index_of(const struct process *p) { return (uint32_t)(p - processes); }

// Taken out of epoll altogether while nothing may be read: a hangup would be reported whatever is asked for, again and again.
// So is what another runtime says while it makes the process: where it fails, its words go into the failure, and not into the container's output.
void update_output(struct process *p) {
  bool is_runtimes = p->is_command && p->state == CREATING;
  for (int i = 0; i < 2; i++) {
    bool is_wanted = p->out[i] >= 0 && !p->paused && !is_runtimes && !is_sink_full(p, i);
    if (is_wanted == p->out_watched[i]) continue;
    if (is_wanted) watch(p->out[i], EPOLLIN, i == 0 ? ON_OUT : ON_ERR, index_of(p));
    else unwatch(p->out[i]);
    p->out_watched[i] = is_wanted;
  }
}

void close_output(struct process *p, int which) {
  close_sink(p, which);
  if (p->out[which] < 0) return;
  if (p == &processes[0]) log_end(which);
  if (p->out_watched[which]) unwatch(p->out[which]);
  p->out_watched[which] = false;
  close(p->out[which]);
  p->out[which] = -1;
}

bool output_ended(const struct process *p) { return p->out[0] < 0 && p->out[1] < 0; }

void settle_end(struct process *p) {
  if (p->is_relay && p->state != EXITED && output_ended(p)) end_relay(p);
  if (p->state != EXITED || !output_ended(p)) return;
  p->straggler_deadline = 0;
  finish_clients(p);
  if (p->removal_deadline) end_removal(p);
}

// One read, of no more than what can be kept where a sink does not take it. Returns its size, 0 where there is nothing now or the end was reached.
static size_t pass_on(struct process *p, int which) {
  if (is_sink_full(p, which)) return 0;
  bool is_bounded = p->sink[which] >= 0 && !p->sink_is_file[which];
  ssize_t size = read(p->out[which], read_buffer, is_bounded ? HELD_SIZE : sizeof read_buffer);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (size <= 0) { // a terminal without a slave says EIO
    close_output(p, which);
    return 0;
  }
  if (size > LITTLE) buffers_dirty = true;
  if (p->ending & (1 << which)) p->late[which] += (uint32_t)size;
  if (p == &processes[0]) log_output(which, read_buffer, (size_t)size);
  copy_to_sink(p, which, read_buffer, (size_t)size);
  deliver(p, which, read_buffer, (size_t)size);
  update_output(p);
  return (size_t)size;
}

void on_output(struct process *p, int which) {
  for (int i = 0; i < TURN && p->out[which] >= 0; i++)
    if (pass_on(p, which) == 0 || p->sink[which] < 0) break;
  settle_end(p);
}

// What the process wrote before it died is in the pipe by now (a terminal's read flushes its line discipline). The bound is for
// descendants that go on writing.
void drain_stream(struct process *p, int which) {
  size_t passed = 0, size;
  while (p->out[which] >= 0 && passed < DRAIN_LIMIT && (size = pass_on(p, which)) > 0) passed += size;
}

void drain_output(struct process *p) {
  for (int i = 0; i < 2; i++) drain_stream(p, i);
}

void release_buffers(void) {
  madvise(read_buffer, sizeof read_buffer, MADV_DONTNEED);
  release_log_buffer();
  release_control_buffers();
  release_held_buffers();
  buffers_dirty = false;
}
