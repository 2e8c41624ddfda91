// The loop that keeps a container company, and its few deadlines.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>

enum { IDLE_MS = 1000, READER_MS = 5, BUSY_NANOSECONDS = 10000000 };

static int epoll_fd = -1;
static bool is_shutting_down;
static int64_t shutdown_deadline; // until when sinks that are full are waited for
static int64_t linger_start = -1; // since when nobody is connected and the first process has ended

int watch(int fd, uint32_t events, enum event_kind kind, uint32_t index) {
  if (epoll_fd < 0) epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void rewatch(int fd, uint32_t events, enum event_kind kind, uint32_t index) {
  struct epoll_event event = {.events = events, .data.u64 = (uint64_t)kind << 32 | index};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void unwatch(int fd) { epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL); }

// With no descriptor left the connection would wait for ever, and we would be told so for ever: one that is kept for this is given to it, and
// both are closed.
int accept_from(int listener) {
  static int spare = -1;
  if (spare < 0) spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)) return fd;
  if (spare >= 0) close(spare);
  fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) close(fd);
  else nanosleep(&(struct timespec){.tv_nsec = BUSY_NANOSECONDS}, NULL); // the whole machine has none
  spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return -1;
}

int64_t monotonic_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static bool is_alive(const struct process *p) { return p->state != FREE && p->state != EXITED; }

void begin_shutdown(void) {
  if (!is_shutting_down) shutdown_deadline = monotonic_seconds() + STRAGGLER_SECONDS;
  is_shutting_down = true;
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (is_alive(&processes[i]) && processes[i].is_relay) end_relay(&processes[i]);
    else if (is_alive(&processes[i])) kill_process(&processes[i], SIGKILL);
}

static bool is_any_sink_full(void) {
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (processes[i].state == EXITED && (is_sink_full(&processes[i], 0) || is_sink_full(&processes[i], 1))) return true;
  return false;
}

static bool anything_alive(void) {
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (is_alive(&processes[i])) return true;
  return false;
}

// Gone from the daemons' sight: sockets first, then the connections, whose end tells them so. Only attach clients that still have output to
// come keep it.
static void vanish(void) {
  static bool is_unlinked; // once: a successor may have made its own at the same place
  if (!is_unlinked) {
    unlink("shim.sock");
    unlink("shim.pid");
    if (*settings.stream_path) unlink(settings.stream_path);
    is_unlinked = true;
  }
  if (!clients_pending()) _exit(0);
  close_controls();
}

static bool is_lingering(void) {
  // Who wanted the streams of a process that was never started may be gone for good.
  bool is_unused = processes[0].is_relay && processes[0].state == CREATED;
  bool is_over = processes[0].state == EXITED || init_failure.error;
  if ((!is_unused && (!is_over || anything_alive())) || control_count() > 0) linger_start = -1;
  else if (linger_start < 0) linger_start = monotonic_seconds();
  return linger_start >= 0;
}

// Acts on the deadlines that have passed; returns the milliseconds to the next one, -1 for none.
static int check_deadlines(void) {
  int64_t now = monotonic_seconds(), next = INT64_MAX;
  check_stalled(now);
  for (int i = 0; i < PROCESS_LIMIT; i++) {
    struct process *p = &processes[i];
    if (p->state != FREE && p->sync_deadline) {
      if (p->sync_deadline <= now) give_up(p);
      else if (p->sync_deadline < next) next = p->sync_deadline;
    }
    if (p->state == EXITED && p->removal_deadline) {
      if (p->removal_deadline <= now) end_removal(p);
      else if (p->removal_deadline < next) next = p->removal_deadline;
    }
    if (p->state != EXITED || !p->straggler_deadline) continue;
    if (p->straggler_deadline <= now || is_shutting_down) end_stragglers(p);
    else if (p->straggler_deadline < next) next = p->straggler_deadline;
  }
  if (clients_deadline() < next) next = clients_deadline();
  int64_t look = check_bundle(now);
  if (look < next) next = look;
  if (is_lingering()) {
    int64_t end = linger_start + settings.linger_seconds;
    if (end <= now) begin_shutdown();
    else if (end < next) next = end;
  }
  if (is_shutting_down && !anything_alive()) {
    if (shutdown_deadline <= now || !is_any_sink_full()) vanish();
    else if (shutdown_deadline < next) next = shutdown_deadline;
  }
  if (next == INT64_MAX) return buffers_dirty ? IDLE_MS : -1;
  return buffers_dirty || next <= now ? IDLE_MS : (int)(next - now < 3600 ? next - now : 3600) * 1000;
}

static int open_signals(void) {
  sigset_t blocked;
  sigfillset(&blocked);
  sigprocmask(SIG_SETMASK, &blocked, NULL); // a shim ends by `shutdown`, by linger, or by SIGKILL
  sigset_t heard;
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  sigaddset(&heard, SIGIO); // of dnotify
  return signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void dispatch(enum event_kind kind, uint32_t index, uint32_t events, int signals, int control_listener) {
  struct signalfd_siginfo information;
  struct process *p = &processes[index % PROCESS_LIMIT];
  switch (kind) {
  case ON_SIGNAL:
    while (read(signals, &information, sizeof information) > 0)
      if (information.ssi_signo == SIGIO) on_bundle_change();
    return reap_children();
  case ON_CONTROL_LISTENER: return accept_control(control_listener);
  case ON_STREAM_LISTENER: accept_client(); return;
  case ON_CONTROL: return on_control((int)index, events);
  case ON_CLIENT: return on_client((int)index, events);
  case ON_CHANNEL: return on_channel(p);
  case ON_OUT: return on_output(p, 0);
  case ON_ERR: return on_output(p, 1);
  case ON_IN: return on_input_ready(p);
  case ON_SOURCE: return on_source(p, events);
  case ON_SINK_OUT: return on_sink(p, 0);
  case ON_SINK_ERR: return on_sink(p, 1);
  }
}

_Noreturn void monitor(int control_listener, int stream_listener) {
  int signals = open_signals();
  if (signals < 0 || watch(signals, EPOLLIN, ON_SIGNAL, 0) < 0) _exit(1);
  if (watch(control_listener, EPOLLIN, ON_CONTROL_LISTENER, 0) < 0) _exit(1);
  if (watch_clients(stream_listener) < 0) _exit(1);
  watch_bundle();
  reap_children(); // a child may have ended before its signal was blocked
  for (;;) {
    int timeout = check_deadlines();
    if (await_readers() && (timeout < 0 || timeout > READER_MS)) timeout = READER_MS;
    struct epoll_event event; // one at a time: what one event closes, a second one cannot mean
    int count = epoll_wait(epoll_fd, &event, 1, timeout);
    if (count < 0 && errno != EINTR) _exit(1);
    if (count == 0 && buffers_dirty && timeout != READER_MS) release_buffers();
    if (count > 0) dispatch((enum event_kind)(event.data.u64 >> 32), (uint32_t)event.data.u64, event.events, signals, control_listener);
  }
}
