// The step that runs a hook: a program of the host's or the container's between two steps, with the kept state on its standard input.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { READ_END, WRITE_END, OUTPUT_LIMIT = 2 << 10 /* of each stream: what is told, the rest is dropped */, TROUBLE = 3 };

struct hook {
  const char *path;
  char **arguments, **environment;
  int input[2], streams[2][2], trouble[2];
  int pid, pidfd;
  size_t written;
  int64_t deadline; // milliseconds; 0: none
  bool is_late;
};

static struct {
  uint32_t status, output_size;
  char text[2 * OUTPUT_LIMIT];
} report;
static char outputs[2][OUTPUT_LIMIT];
static size_t sizes[2];

const void *hook_report(size_t *size) {
  *size = sizeof report - sizeof report.text + sizes[0] + sizes[1];
  return &report;
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void close_both(int ends[2]) {
  for (int i = 0; i < 2; i++) {
    if (ends[i] >= 0) close(ends[i]);
    ends[i] = -1;
  }
}

static void close_ends(struct hook *h) {
  close_both(h->input);
  close_both(h->trouble);
  for (int i = 0; i < 2; i++) close_both(h->streams[i]);
}

static bool make_ends(struct hook *h) {
  int *pairs[] = {h->input, h->trouble, h->streams[0], h->streams[1]};
  for (int i = 0; i < 4; i++) pairs[i][READ_END] = pairs[i][WRITE_END] = -1;
  for (int i = 0; i < 4; i++)
    if (pipe2(pairs[i], O_CLOEXEC) < 0) return false;
  for (int i = 0; i < 2; i++) fcntl(h->streams[i][READ_END], F_SETFL, O_NONBLOCK);
  return fcntl(h->input[WRITE_END], F_SETFL, O_NONBLOCK) == 0;
}

// What the hook gets of us is its three streams. A filter may refuse close_range; then it is known what does not close itself.
static void close_others(unsigned preserved) {
  if (syscall(NR_CLOSE_RANGE, TROUBLE + 1U, ~0U, 0) == 0) return;
  for (unsigned fd = TROUBLE + 1; fd < 3 + preserved; fd++) close((int)fd);
}

static _Noreturn void become_hook(const struct hook *h, unsigned preserved) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  int trouble = h->trouble[WRITE_END];
  bool is_placed = dup3(h->input[READ_END], 0, 0) == 0 && dup3(h->streams[0][WRITE_END], 1, 0) == 1 && dup3(h->streams[1][WRITE_END], 2, 0) == 2;
  if (is_placed && trouble != TROUBLE) is_placed = dup3(trouble, TROUBLE, O_CLOEXEC) == TROUBLE;
  if (is_placed) {
    trouble = TROUBLE;
    close_others(preserved);
    umask(022); // ours is 0
    execve(h->path, h->arguments, h->environment);
  }
  int error = errno;
  _exit(write(trouble, &error, sizeof error) == sizeof error ? 127 : 126);
}

static void feed(struct hook *h) {
  size_t size;
  const char *state = kept_state(&size);
  ssize_t written = write(h->input[WRITE_END], state + h->written, size - h->written);
  if (written < 0 && errno != EAGAIN && errno != EINTR) h->written = size; // it does not want to know
  if (written > 0) h->written += (size_t)written;
  if (h->written < size) return;
  close(h->input[WRITE_END]);
  h->input[WRITE_END] = -1;
}

// Reads what is there. The end closes.
static void hear(struct hook *h, int which) {
  int *end = &h->streams[which][READ_END];
  char dropped[OUTPUT_LIMIT];
  while (*end >= 0) {
    bool is_full = sizes[which] == OUTPUT_LIMIT;
    char *to = is_full ? dropped : outputs[which] + sizes[which];
    ssize_t size = read(*end, to, is_full ? OUTPUT_LIMIT : OUTPUT_LIMIT - sizes[which]);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
      close(*end);
      *end = -1;
    } else if (!is_full) sizes[which] += (size_t)size;
  }
}

static void kill_hook(const struct hook *h) {
  kill(-h->pid, SIGKILL);
  syscall(NR_PIDFD_SEND_SIGNAL, h->pidfd, SIGKILL, NULL, 0);
}

// Until the hook itself has ended: what it left running may keep its streams for as long as it likes.
static void attend(struct hook *h) {
  for (;;) {
    struct pollfd events[] = {{.fd = h->pidfd, .events = POLLIN},
                              {.fd = h->input[WRITE_END], .events = POLLOUT},
                              {.fd = h->streams[0][READ_END], .events = POLLIN},
                              {.fd = h->streams[1][READ_END], .events = POLLIN}};
    int64_t left = h->deadline - now();
    bool is_timed = h->deadline && !h->is_late;
    int count = poll(events, 4, !is_timed ? -1 : left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left);
    if (count == 0 && is_timed && h->deadline <= now()) {
      h->is_late = true;
      kill_hook(h);
    }
    if (count <= 0) continue;
    if (events[1].revents) feed(h);
    for (int i = 0; i < 2; i++)
      if (events[2 + i].revents) hear(h, i);
    if (events[0].revents) return;
  }
}

// By its number, so that children that are somebody else's business are left alone.
static int finish(struct hook *h) {
  int status = 0, error = 0;
  while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR) continue;
  if (read(h->trouble[READ_END], &error, sizeof error) == sizeof error) return error; // of execve; nobody has the writing end any more
  for (int i = 0; i < 2; i++) hear(h, i);
  if (status == 0 && !h->is_late) return 0;
  report.status = (uint32_t)status;
  report.output_size = (uint32_t)sizes[0];
  memcpy(report.text, outputs[0], sizes[0]);
  memcpy(report.text + sizes[0], outputs[1], sizes[1]);
  return h->is_late ? ETIMEDOUT : ECANCELED;
}

static int run_hook(struct hook *h, unsigned preserved) {
  if (!make_ends(h)) return errno;
  // clone(2): filters that are asked about namespaces refuse clone3, whose flags they cannot see.
  h->pid = (int)syscall(SYS_clone, CLONE_PIDFD_FLAG | SIGCHLD, 0, &h->pidfd, 0, 0);
  if (h->pid == 0) become_hook(h, preserved);
  if (h->pid < 0) return errno;
  setpgid(h->pid, h->pid); // whoever comes first
  int theirs[] = {h->input[READ_END], h->trouble[WRITE_END], h->streams[0][WRITE_END], h->streams[1][WRITE_END]};
  for (int i = 0; i < 4; i++) close(theirs[i]);
  h->input[READ_END] = h->trouble[WRITE_END] = h->streams[0][WRITE_END] = h->streams[1][WRITE_END] = -1;
  struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &ignore, NULL);
  attend(h);
  int error = finish(h);
  sigaction(SIGPIPE, &standard, NULL);
  close(h->pidfd);
  return error;
}

int step_run_hook(struct child *child, struct cursor *c) {
  struct hook h = {.path = take_text(c)};
  h.arguments = take_texts(c);
  h.environment = take_texts(c);
  uint32_t timeout = take_u32(c);
  if (c->bad || !h.arguments || !h.environment) return refuse(E2BIG);
  sizes[0] = sizes[1] = 0;
  report.status = report.output_size = 0;
  if (timeout) h.deadline = now() + (int64_t)timeout * 1000;
  int error = run_hook(&h, child->preserved);
  close_ends(&h);
  return error ? refuse(error) : 0;
}
