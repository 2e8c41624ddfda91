// berth-init with `keep`: stays with the process until it has ended, passes signals on, reaps, relays its terminal.
#define _GNU_SOURCE
#include "init.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

enum { RELAY_SIZE = 16 << 10, WAIT_PIDFD = 3 /* P_PIDFD */ };

// One direction of the terminal. `from` or `to` is -1 where there is nothing more to come, or nobody to take it.
struct relay {
  int from, to;
  size_t at, size;
  char bytes[RELAY_SIZE];
};

static struct relay input, output;
static int master = -1, signals = -1, host_terminal = -1;
static struct termios before; // of the host's terminal
static bool is_raw, has_failed, has_ended;
static int wait_status;
static int64_t straggler_deadline;

void prepare_company(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &standard, NULL); // inherited as ignored, it would make the kernel forget the exit status
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Messages of the child's on its way to execve: the copy that takes its place, or that it has failed. Its end closes with execve.
static void hear(struct company *company) {
  for (;;) {
    struct child_message message;
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&message, sizeof message};
    struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t size = company->ear < 0 ? -1 : recvmsg(company->ear, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) return;
    if (size == 0) {
      close_fd(&company->ear);
      if (!has_failed) tell_spawner(company->channel, CHILD_EXECUTED, 0, 0);
      return;
    }
    struct cmsghdr *attached = CMSG_FIRSTHDR(&header);
    if (size == sizeof message && message.kind == CHILD_FAILED) has_failed = true;
    if (!attached || attached->cmsg_type != SCM_RIGHTS) continue;
    close(company->process);
    memcpy(&company->process, CMSG_DATA(attached), sizeof company->process);
  }
}

static void note_end(int status) {
  has_ended = true;
  wait_status = status;
  straggler_deadline = now() + STRAGGLER_SECONDS * 1000;
}

// Who has ended is first only looked at, and then what the child has said is heard: the first stage tells of the second before it ends.
static void reap(struct company *company) {
  for (;;) {
    siginfo_t seen = {0};
    if (waitid(P_ALL, 0, &seen, WEXITED | WNOHANG | WNOWAIT) < 0 || seen.si_pid == 0) break;
    hear(company);
    siginfo_t info = {0};
    if (!has_ended && waitid((idtype_t)WAIT_PIDFD, (id_t)company->process, &info, WEXITED | WNOHANG) == 0 && info.si_pid)
      note_end(info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 : info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0));
    else waitpid(seen.si_pid, NULL, WNOHANG);
  }
  // The second stage was killed before it was told of, and was taken for a stranger.
  if (!has_ended && waitid((idtype_t)WAIT_PIDFD, (id_t)company->process, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD)
    note_end(SIGKILL);
}

static void resize(void) {
  struct winsize size;
  if (master >= 0 && host_terminal >= 0 && ioctl(host_terminal, TIOCGWINSZ, &size) == 0) ioctl(master, TIOCSWINSZ, &size);
}

static void on_signals(struct company *company) {
  struct signalfd_siginfo info;
  while (read(signals, &info, sizeof info) == sizeof info) {
    int number = (int)info.ssi_signo;
    if (number == SIGCHLD) reap(company);
    else if (number == SIGWINCH && master >= 0) resize();
    else if (number != SIGPIPE && number != SIGTTIN && number != SIGTTOU) // those are about our own reading and writing
      syscall(NR_PIDFD_SEND_SIGNAL, company->process, number, NULL, 0);
  }
}

// A stream of the caller's opened anew, so that not waiting for it is our affair alone: others have the same open file.
static int open_anew(int fd, int flags) {
  char name[32];
  struct stat st;
  if (fstat(fd, &st) < 0 || !(S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) return fd;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  int anew = open(name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return anew < 0 ? fd : anew;
}

// What is typed passes as it is. What is written becomes lines here, and here alone (step_pty), as the other runtimes have it.
static void make_raw(void) {
  for (int fd = 0; fd < 3 && host_terminal < 0; fd++)
    if (tcgetattr(fd, &before) == 0) host_terminal = fd;
  if (host_terminal < 0) return;
  struct termios modes = before;
  cfmakeraw(&modes);
  modes.c_oflag |= OPOST;
  is_raw = tcsetattr(host_terminal, TCSANOW, &modes) == 0;
  resize();
}

static void on_console(struct company *company) {
  char name[64], control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {name, sizeof name};
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(company->console, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  close_fd(&company->console);
  struct cmsghdr *attached = size > 0 ? CMSG_FIRSTHDR(&header) : NULL;
  if (!attached || attached->cmsg_type != SCM_RIGHTS) return;
  memcpy(&master, CMSG_DATA(attached), sizeof master);
  fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
  make_raw();
  input.from = open_anew(0, O_RDONLY);
  output.to = open_anew(1, O_WRONLY);
  input.to = output.from = master;
}

static bool is_later(void) { return errno == EAGAIN || errno == EINTR; }

// Output that nobody takes any more is read all the same: the process is not to stop for it.
static void pump(struct relay *relay) {
  if (relay->size == 0 && relay->from >= 0) {
    ssize_t size = read(relay->from, relay->bytes, sizeof relay->bytes);
    if (size == 0 || (size < 0 && !is_later())) relay->from = -1;
    relay->at = 0;
    relay->size = size > 0 ? (size_t)size : 0;
  }
  if (relay->size == 0) return;
  ssize_t size = relay->to < 0 ? -1 : write(relay->to, relay->bytes + relay->at, relay->size);
  if (size < 0 && relay->to >= 0 && is_later()) return;
  if (size < 0) relay->to = -1;
  relay->at += size < 0 ? relay->size : (size_t)size;
  relay->size -= size < 0 ? relay->size : (size_t)size;
}

static void expect(struct pollfd *event, const struct relay *relay) {
  bool is_full = relay->size > 0;
  *event = (struct pollfd){.fd = is_full ? relay->to : relay->from, .events = is_full ? POLLOUT : POLLIN};
}

static bool is_over(void) {
  if (!has_ended) return false;
  bool is_drained = output.from < 0 && output.size == 0;
  return master < 0 || is_drained || now() >= straggler_deadline;
}

_Noreturn void keep_company(struct company *company) {
  sigset_t all;
  sigfillset(&all);
  signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  input.from = input.to = output.from = output.to = -1;
  reap(company); // whoever ended before there was anybody to tell
  while (!is_over()) {
    struct pollfd events[5] = {{.fd = signals, .events = POLLIN}, {.fd = company->ear, .events = POLLIN}, {.fd = company->console, .events = POLLIN}};
    expect(&events[3], &input);
    expect(&events[4], &output);
    if (poll(events, 5, has_ended ? 100 : -1) < 0) continue;
    if (company->console >= 0 && events[2].revents) on_console(company);
    if (company->ear >= 0 && events[1].revents) hear(company);
    if (events[3].revents) pump(&input);
    if (events[4].revents) pump(&output);
    if (events[0].revents) on_signals(company);
  }
  hear(company);
  if (is_raw) tcsetattr(host_terminal, TCSANOW, &before);
  tell_spawner(company->channel, CHILD_EXITED, (uint32_t)wait_status, 0);
  _exit(0);
}
