// The table of processes: making them, hearing from them, reaping them, keeping their records.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

struct process processes[PROCESS_LIMIT];

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

// A pipe for one stream: their end goes to the new process, ours does not block.
static int make_pipe(int *ours, int *theirs, int our_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -1;
  *ours = ends[our_end];
  *theirs = ends[!our_end];
  set_nonblocking(*ours);
  return 0;
}

static int make_pipes(struct process *p, int theirs[3]) {
  if (!p->terminal && p->want_stdin && make_pipe(&p->in, &theirs[0], WRITE_END) < 0) return -1;
  for (int i = 0; i < 2 && !p->terminal; i++)
    if (make_pipe(&p->out[i], &theirs[1 + i], READ_END) < 0) return -1;
  for (int i = 0; i < 3; i++)
    if (theirs[i] < 0 && (theirs[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0) return -1;
  return 0;
}

void clear_process(struct process *p) {
  p->state = CREATING;
  p->pidfd = p->channel = p->console = p->in = p->input_path = p->waiter = -1;
  p->pid = p->original = 0;
  p->sync_point = 0;
  p->sync_deadline = p->straggler_deadline = p->removal_deadline = 0;
  p->listed = p->stdin_closed = p->paused = p->in_watched = p->source_watched = p->is_given_up = false;
  p->ending = 0;
  for (int i = 0; i < 2; i++) {
    p->out[i] = p->source[i] = p->sink[i] = -1;
    p->out_watched[i] = false;
    p->late[i] = 0;
  }
  for (int i = 0; i < 3; i++) p->held[i] = 0;
  p->is_relay = false;
}

int begin_process(struct process *p, const char *const paths[3], struct ends *theirs) {
  clear_process(p);
  p->want_stdin = p->want_stdin || *paths[0];
  *theirs = (struct ends){{-1, -1, -1}, -1};
  int channel[2];
  if (make_pipes(p, theirs->streams) < 0) return errno;
  int error = open_paths(p, paths);
  if (error) return error;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0) return errno;
  p->channel = channel[0];
  theirs->channel = channel[1];
  set_nonblocking(p->channel);
  return 0;
}

int end_process_birth(struct process *p, struct ends *theirs, int error) {
  for (int i = 0; i < 3; i++) close_fd(&theirs->streams[i]);
  close_fd(&theirs->channel);
  if (error) {
    forget_process(p);
    return error;
  }
  watch(p->channel, EPOLLIN, ON_CHANNEL, index_of(p));
  update_output(p);
  update_source(p);
  return 0;
}

// Everything is first moved out of the way, since a source may sit where a target belongs.
void place_descriptors(const struct ends *theirs, int rootfs, int init_pidfd) {
  int sources[CHILD_FREE] = {theirs->streams[0], theirs->streams[1], theirs->streams[2], theirs->channel, rootfs, init_pidfd};
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
  restore_limits();
  take_defaults();
  run_steps(&child, plan);
}

int spawn_process(struct process *p, const struct process_plan *plan, int rootfs) {
  p->terminal = plan->terminal;
  p->want_stdin = plan->want_stdin;
  p->is_command = p->starts_at_once = false;
  bool is_init = p == &processes[0];
  struct ends theirs;
  int error = begin_process(p, plan->paths, &theirs);
  if (!error) {
    p->pid = clone_process(plan, 0, processes[0].pidfd, &p->pidfd);
    if (p->pid == 0) {
      place_descriptors(&theirs, rootfs, is_init ? -1 : processes[0].pidfd);
      become_child(plan, rootfs >= 0, !is_init);
    }
    if (p->pid < 0) error = errno;
  }
  return end_process_birth(p, &theirs, error);
}

int make_process(struct process *p, struct plan_file *file) {
  struct process_plan plan;
  struct command_plan command;
  struct relay_plan relay;
  if (file->has_settings || file->has_relay != processes[0].is_relay) return EPROTO;
  int error = file->has_relay     ? take_relay_plan(&file->cursor, &relay)
              : file->has_command ? take_command_plan(&file->cursor, &command)
                                  : take_process_plan(&file->cursor, &plan);
  if (error) return error;
  return file->has_relay ? spawn_relay(p, &relay) : file->has_command ? spawn_command(p, &command) : spawn_process(p, &plan, -1);
}

void adopt_master(struct process *p, int master) {
  set_nonblocking(master);
  p->out[0] = master;
  p->in = fcntl(master, F_DUPFD_CLOEXEC, 0); // a second descriptor: epoll watches each for its own direction
  update_output(p);
  on_input_ready(p);
}

void give_up(struct process *p) {
  p->is_given_up = true;
  p->sync_point = 0;
  p->sync_deadline = 0;
  kill_process(p, SIGKILL);
}

// ---- the end

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
  close_fd(&p->channel);
  close_fd(&p->pidfd);
  p->sync_point = 0;
  p->sync_deadline = 0;
  if (p->state == CREATING) {
    fail_creation(p, p->is_given_up ? ECANCELED : ECHILD);
    forget_process(p);
    return;
  }
  if (p->state == STARTING) on_channel_end(p); // killed before or just after its execve: who started it is answered all the same
  p->signal = WIFSIGNALED(status) ? (uint32_t)WTERMSIG(status) : 0;
  p->code = p->signal ? 128 + p->signal : (uint32_t)WEXITSTATUS(status);
  p->exit_seconds = now.tv_sec;
  p->exit_nanoseconds = (uint32_t)now.tv_nsec;
  drain_output(p);
  p->state = EXITED;
  write_record(p);
  tell_process(p);
  close_input(p);
  p->straggler_deadline = monotonic_seconds() + STRAGGLER_SECONDS;
  settle_end(p);
}

// What is stuck in front of a reader who does not read stays until that one has taken it.
void end_stragglers(struct process *p) {
  p->straggler_deadline = 0;
  for (int i = 0; i < 2; i++) {
    drain_stream(p, i);
    if (is_sink_full(p, i)) p->ending |= (uint8_t)(1 << i);
    else close_output(p, i);
  }
  settle_end(p);
}

static bool has_pid(const struct process *p) { return p->state != FREE && p->state != EXITED && p->pid > 0; }

// What a child said before it died is heard before its exit is judged: it may have said that another is the process now.
static void reap_process(struct process *p) {
  int status, pid;
  do {
    while (p->channel >= 0 && take_message(p)) continue;
    if (p->original > 0 && waitpid(p->original, NULL, WNOHANG) != 0) p->original = 0;
    if (!has_pid(p) || (pid = waitpid(p->pid, &status, WNOHANG)) <= 0) return;
    while (p->channel >= 0 && take_message(p)) continue;
    if (pid == p->original) p->original = 0;
    if (pid != p->pid) continue;
    if (p->is_command && p->state == CREATING) on_command_exit(p, status);
    else finish_process(p, status);
  } while (has_pid(p));
}

// Children of others that became ours are reaped too, but not while a process is being made that may turn out to be one of them.
void reap_children(void) {
  bool is_anyone_unknown = false;
  for (int i = 0; i < PROCESS_LIMIT; i++) {
    if (has_pid(&processes[i])) reap_process(&processes[i]);
    if (processes[i].state == CREATING) is_anyone_unknown = true;
  }
  siginfo_t information = {0};
  while (!is_anyone_unknown && waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) == 0 && information.si_pid > 0) {
    int i = 0;
    while (i < PROCESS_LIMIT && !(has_pid(&processes[i]) && processes[i].pid == information.si_pid)) i++;
    if (i < PROCESS_LIMIT) reap_process(&processes[i]); // it ended just now
    else waitpid(information.si_pid, NULL, WNOHANG);
    information.si_pid = 0;
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
  close_fd(&p->console);
  p->state = FREE;
}
