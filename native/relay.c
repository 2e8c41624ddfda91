// A relay: the streams of processes that another containerd's shim makes and watches. Their ends are FIFOs; log and attach clients are served as
// those of our own processes, whatever becomes of the daemons.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int awaited; // inputs that nobody reads yet

static int open_fifo(const char *path, int flags) {
  struct stat st;
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) return -1;
  if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) return fd;
  close(fd);
  return refuse(EINVAL);
}

static void stop_waiting(struct process *p) {
  if (p->input_path < 0) return;
  close(p->input_path);
  p->input_path = -1;
  awaited--;
}

// The end of an output that nobody has written to yet is told by epoll only after somebody has.
int spawn_relay(struct process *p, const struct relay_plan *plan) {
  p->terminal = plan->terminal;
  p->want_stdin = *plan->paths[0] != 0;
  p->is_command = p->starts_at_once = false;
  clear_process(p);
  p->is_relay = true;
  for (int i = 0; i < 2; i++) {
    if (!*plan->paths[1 + i] || (p->terminal && i == 1)) continue;
    p->out[i] = open_fifo(plan->paths[1 + i], O_RDONLY | O_NONBLOCK);
    if (p->out[i] < 0) goto failed;
  }
  if (p->want_stdin && (p->input_path = open_fifo(plan->paths[0], O_PATH)) < 0) goto failed;
  awaited += p->input_path >= 0;
  update_output(p);
  return 0;
failed:;
  int error = errno;
  forget_process(p);
  return error;
}

// Its output has ended, or nobody wants it any more.
void end_relay(struct process *p) {
  drain_output(p);
  for (int i = 0; i < 2; i++) close_output(p, i);
  stop_waiting(p);
  p->state = EXITED;
  tell_process(p);
  close_input(p);
  settle_end(p);
}

// A FIFO can be opened for writing once it has a reader; until then what clients send waits in their sockets, their end of input too.
static void try_input(struct process *p) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", p->input_path);
  int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  stop_waiting(p);
  p->in = fd;
  on_input_ready(p);
}

bool await_readers(void) {
  for (int i = 0; i < PROCESS_LIMIT && awaited > 0; i++)
    if (processes[i].state != FREE && processes[i].input_path >= 0) try_input(&processes[i]);
  return awaited > 0;
}
