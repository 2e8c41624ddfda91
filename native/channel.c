// What a child says before its program runs: that it is created, who it is now, where it waits, what has failed.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ALONE_SECONDS = 5 }; // for a spawner to come whose process waits at a sync point

struct failure init_failure;

void process_is_made(struct process *p, enum process_state state) {
  p->state = (uint8_t)state;
  p->listed = true;
  tell_process(p);
  answer_ok(p, (uint32_t)p->pid);
}

static void on_failed(struct process *p, const struct failure *failure) {
  if (p->state == CREATING && p == &processes[0] && !init_failure.error) {
    init_failure = *failure;
    tell_init_failure();
  }
  // A failed execve is no `running`; the exit that follows is told.
  if (p->state == STARTING) p->state = RUNNING;
  answer_failure(p, failure);
}

void fail_creation(struct process *p, uint32_t error) {
  const struct failure failure = {.step = NO_STEP, .error = error};
  on_failed(p, &failure);
}

// A pid is a number of some PID namespace; ours is known to our own procfs alone.
static int pid_of(int pidfd) {
  char path[48], text[512];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[size < 0 ? 0 : size] = 0;
  const char *line = strstr(text, "\nPid:");
  return line ? atoi(line + sizeof "\nPid:" - 1) : -1;
}

// The copy is the process from now on; the original's end means nothing.
static void on_cloned(struct process *p, int pid, int pidfd) {
  if (p->state != CREATING) {
    close(pidfd);
    return;
  }
  int known = pid_of(pidfd);
  p->original = p->pid;
  p->pid = known > 0 ? known : pid;
  close(p->pidfd);
  p->pidfd = pidfd;
  if (p->is_given_up) kill_process(p, SIGKILL);
}

static void on_sync(struct process *p, uint32_t point, uint32_t value) {
  if (p->is_given_up || !point) return;
  p->sync_point = point;
  p->sync_value = value;
  p->sync_deadline = control_count() > 0 ? 0 : monotonic_seconds() + ALONE_SECONDS;
  tell_sync(p);
}

static struct failure heard; // its page is used when something has failed

static void on_failure_heard(struct process *p, const struct child_message *m, size_t report_size) {
  heard.step = m->step;
  heard.error = m->error ? m->error : EPROTO;
  heard.report_size = report_size;
  on_failed(p, &heard);
}

// Descriptors come only with the kinds that carry one.
static void on_message(struct process *p, const struct child_message *m, size_t report_size, int attached) {
  if (attached >= 0 && m->kind == CHILD_PTY && p->terminal && p->out[0] < 0) adopt_master(p, attached);
  else if (attached >= 0 && m->kind == CHILD_CLONED) on_cloned(p, (int)m->step, attached);
  else if (attached >= 0) close(attached);
  if (m->kind == CHILD_CREATED && p->state == CREATING) process_is_made(p, CREATED);
  else if (m->kind == CHILD_FAILED) on_failure_heard(p, m, report_size);
  else if (m->kind == CHILD_SYNC) on_sync(p, m->step, m->error);
}

// The channel closes with execve, or with the child's death.
void on_channel_end(struct process *p) {
  if (p->channel >= 0) close(p->channel);
  p->channel = -1;
  if (p->state == STARTING) {
    p->state = RUNNING;
    tell_process(p);
    answer_ok(p, (uint32_t)p->pid);
  } else if (p->state == CREATING && !p->is_command) {
    kill_process(p, SIGKILL); // it runs without having been created, or is dying
  }
}

// Takes one message, or the end; false where there is neither now.
bool take_message(struct process *p) {
  struct child_message message;
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec parts[2] = {{&message, sizeof message}, {heard.report, sizeof heard.report}};
  struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(p->channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  struct cmsghdr *attached = size < 0 ? NULL : CMSG_FIRSTHDR(&header);
  int fd = -1;
  if (attached && attached->cmsg_level == SOL_SOCKET && attached->cmsg_type == SCM_RIGHTS && attached->cmsg_len == CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(attached), sizeof fd);
  if (size >= (ssize_t)sizeof message) {
    on_message(p, &message, (size_t)size - sizeof message, fd);
  } else {
    if (fd >= 0) close(fd);
    on_channel_end(p);
  }
  return true;
}

void on_channel(struct process *p) {
  if (p->channel >= 0) take_message(p);
}

int send_word(struct process *p, const void *state, size_t size) {
  struct iovec parts[2] = {{"s", 1}, {(void *)state, size}};
  struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
  return sendmsg(p->channel, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)(size + 1) ? 0 : ESRCH;
}
