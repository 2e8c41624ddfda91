// The table of processes: making them, hearing from them, reaping them, keeping their records.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

struct process processes[PROCESS_LIMIT];
uint32_t init_failure[2];

// What a child is born with: standard streams at 0 to 2, then these, then nothing.
enum { CHILD_CHANNEL = 3, CHILD_ROOTFS = 4, CHILD_INIT = 5, CHILD_FREE = 6, HIGH = 64 };
enum { READ_END, WRITE_END };

static uint32_t index_of(const struct process *p) { return (uint32_t)(p - processes); }

bool is_name(const char *name, size_t size) {
  if (size == 0 || size > NAME_LIMIT) return false;
  for (size_t i = 0; i < size; i++) {
    char c = name[i];
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    if (!is_plain) return false;
  }
  return true;
}

struct process *find_process(const char *name, size_t size) {
  for (int i = 0; i < PROCESS_LIMIT; i++) {
    struct process *p = &processes[i];
    if (p->state != FREE && strlen(p->name) == size && memcmp(p->name, name, size) == 0) return p;
  }
  return NULL;
}

const char *record_name(const struct process *p, const char *prefix) {
  static char name[NAME_LIMIT + 16];
  snprintf(name, sizeof name, "%s%s", prefix, p->name);
  return name;
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// The ends for a new process: `theirs` are its standard streams, the others stay here.
static int make_pipes(struct process *p, int theirs[3]) {
  int ends[2];
  if (p->want_stdin && !p->terminal) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    theirs[0] = ends[READ_END];
    p->in = ends[WRITE_END];
    set_nonblocking(p->in);
  }
  for (int i = 0; i < 2 && !p->terminal; i++) {
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    theirs[1 + i] = ends[WRITE_END];
    p->out[i] = ends[READ_END];
    set_nonblocking(p->out[i]);
  }
  for (int i = 0; i < 3; i++)
    if (theirs[i] < 0 && (theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) return -1;
  return 0;
}

// Everything is first moved out of the way, since a source may sit where a target belongs.
static void place_descriptors(const int theirs[3], int channel, int rootfs, int init_pidfd) {
  int sources[CHILD_FREE] = {theirs[0], theirs[1], theirs[2], channel, rootfs, init_pidfd};
  for (int i = 0; i < CHILD_FREE; i++)
    if (sources[i] >= 0 && (sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, HIGH)) < 0) _exit(126);
  for (int i = 0; i < CHILD_FREE; i++) {
    if (sources[i] < 0) close(i);
    else if (dup3(sources[i], i, i < CHILD_CHANNEL ? 0 : O_CLOEXEC) < 0) _exit(126);
  }
  if (syscall(NR_CLOSE_RANGE, (unsigned)CHILD_FREE, ~0U, 0) < 0) _exit(126);
}

static _Noreturn void become_child(const struct process_plan *plan, bool has_rootfs, bool has_init) {
  struct child child = {.channel = CHILD_CHANNEL, .init_pidfd = has_init ? CHILD_INIT : -1, .company = -1, .status = -1};
  child.dies_with_parent = true;
  arm_parent_death(&child);
  for (int i = 0; i < SLOT_COUNT; i++) child.slots[i] = -1;
  if (has_rootfs) child.slots[0] = CHILD_ROOTFS;
  take_defaults();
  run_steps(&child, plan);
}

int spawn_process(struct process *p, const struct process_plan *plan, int rootfs) {
  p->state = CREATING;
  p->pidfd = p->channel = p->in = p->out[0] = p->out[1] = -1;
  p->waiter = -1;
  p->terminal = plan->terminal;
  p->want_stdin = plan->want_stdin;
  p->listed = p->stdin_closed = p->paused = p->in_watched = false;
  p->straggler_deadline = 0;
  int theirs[3] = {-1, -1, -1}, channel[2] = {-1, -1}, error = 0;
  bool is_init = p == &processes[0];
  if (make_pipes(p, theirs) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) error = errno;
  if (!error) {
    p->pid = clone_process(plan, 0, processes[0].pidfd, &p->pidfd);
    if (p->pid == 0) {
      place_descriptors(theirs, channel[1], rootfs, is_init ? -1 : processes[0].pidfd);
      become_child(plan, rootfs >= 0, !is_init);
    }
    if (p->pid < 0) error = errno;
  }
  for (int i = 0; i < 3; i++) close_fd(&theirs[i]);
  close_fd(&channel[1]);
  if (error) {
    close_fd(&channel[0]);
    forget_process(p);
    return error;
  }
  p->channel = channel[0];
  set_nonblocking(p->channel);
  watch(p->channel, EPOLLIN, ON_CHANNEL, index_of(p));
  watch_output(p);
  return 0;
}

static void adopt_master(struct process *p, int master) {
  set_nonblocking(master);
  p->out[0] = master;
  p->in = fcntl(master, F_DUPFD_CLOEXEC, 0); // a second descriptor: epoll watches each for its own direction
  watch_output(p);
  on_input_ready(p);
}

static void on_failed(struct process *p, uint32_t step, uint32_t error) {
  if (p->state == CREATING && p == &processes[0]) {
    init_failure[0] = step;
    init_failure[1] = error;
    tell_init_failure();
  }
  // A failed execve is no `running`; the exit that follows is told.
  if (p->state == STARTING) p->state = RUNNING;
  answer_error(p, step, error);
}

void on_channel(struct process *p) {
  struct child_message message;
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&message, sizeof message};
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(p->channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && errno == EAGAIN) return;
  if (size == sizeof message) {
    struct cmsghdr *attached = CMSG_FIRSTHDR(&header);
    if (message.kind == CHILD_PTY && attached && attached->cmsg_type == SCM_RIGHTS) {
      int master;
      memcpy(&master, CMSG_DATA(attached), sizeof master);
      if (p->out[0] < 0) adopt_master(p, master);
      else close(master);
    } else if (message.kind == CHILD_CREATED && p->state == CREATING) {
      p->state = CREATED;
      p->listed = true;
      tell_process(p);
      answer_ok(p, (uint32_t)p->pid);
    } else if (message.kind == CHILD_FAILED) {
      on_failed(p, message.step, message.error);
    }
    return;
  }
  // The channel closes with execve, or with the child's death.
  close_fd(&p->channel);
  if (p->state == STARTING) {
    p->state = RUNNING;
    tell_process(p);
    answer_ok(p, (uint32_t)p->pid);
  } else if (p->state == CREATING && p->waiter >= 0) {
    answer_error(p, NO_STEP, ECHILD);
  }
}

static void write_record(struct process *p) {
  char text[96];
  int size = snprintf(text, sizeof text, "%u %u %lld.%09u\n", p->code, p->signal, (long long)p->exit_seconds, p->exit_nanoseconds);
  int fd = open(record_name(p, ".draft-"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return; // the bundle is gone: nobody wants the record
  bool is_written = write(fd, text, (size_t)size) == size;
  close(fd);
  char draft[NAME_LIMIT + 16];
  strcpy(draft, record_name(p, ".draft-"));
  if (is_written) rename(draft, record_name(p, "exit-"));
}

static void finish_process(struct process *p, int status) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  while (p->channel >= 0) { // what it said before it died; its end is closed, so that this ends
    int before = p->channel;
    on_channel(p);
    if (p->channel == before && recv(p->channel, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) < 0) close_fd(&p->channel);
  }
  close_fd(&p->pidfd);
  if (p->state == CREATING) {
    if (p == &processes[0] && !init_failure[1]) on_failed(p, NO_STEP, ECHILD);
    forget_process(p);
    return;
  }
  p->signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
  p->code = p->signal ? 128 + p->signal : (uint32_t)WEXITSTATUS(status);
  p->exit_seconds = now.tv_sec;
  p->exit_nanoseconds = (uint32_t)now.tv_nsec;
  drain_output(p);
  p->state = EXITED;
  write_record(p);
  tell_process(p);
  close_input(p);
  if (output_ended(p)) finish_clients(p);
  else p->straggler_deadline = monotonic_seconds() + STRAGGLER_SECONDS;
}

void end_stragglers(struct process *p) {
  p->straggler_deadline = 0;
  for (int i = 0; i < 2; i++) close_output(p, i);
  finish_clients(p);
}

void reap_children(void) {
  int status, pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
    for (int i = 0; i < PROCESS_LIMIT; i++)
      if (processes[i].state != FREE && processes[i].state != EXITED && processes[i].pid == pid) {
        finish_process(&processes[i], status);
        break;
      }
}

int kill_process(struct process *p, int signal) {
  if (p->state == EXITED || p->pidfd < 0) return ESRCH;
  return syscall(NR_PIDFD_SEND_SIGNAL, p->pidfd, signal, NULL, 0) < 0 ? errno : 0;
}

void forget_process(struct process *p) {
  for (int i = 0; i < 2; i++) close_output(p, i);
  close_input(p);
  finish_clients(p);
  close_fd(&p->channel);
  close_fd(&p->pidfd);
  p->state = FREE;
}
