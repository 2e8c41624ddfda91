// berth-init <plan> <channel> <pidfd> <preserved> [keep]: runs one plan in a process that becomes its caller's child (README.md).
#define _GNU_SOURCE
#include "init.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { FIRST_PRESERVED = 3, PRESERVED_LIMIT = 1 << 16 };
enum { NOT_ONE = -2 };

// The number that a text is, all of it; at least `least`.
static int number_of(const char *text, int least) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  return *text && !*end && !errno && value >= least && value <= INT32_MAX ? (int)value : NOT_ONE;
}

// Every descriptor below `end` is there: a hole would be filled by the next file opened, and the program would get that.
static bool are_open(int end) {
  for (int fd = FIRST_PRESERVED; fd < end; fd++)
    if (fcntl(fd, F_GETFD) < 0) return false;
  return true;
}

// Puts channel and pidfd right above the preserved descriptors and closes everything else, the plan's too.
static bool lay_out(int first_free, int *channel, int *pidfd) {
  int high[2] = {fcntl(*channel, F_DUPFD_CLOEXEC, first_free + 2), *pidfd < 0 ? -1 : fcntl(*pidfd, F_DUPFD_CLOEXEC, first_free + 2)};
  if (high[0] < 0 || (*pidfd >= 0 && high[1] < 0)) return false;
  if (dup3(high[0], first_free, O_CLOEXEC) < 0) return false;
  if (high[1] >= 0 && dup3(high[1], first_free + 1, O_CLOEXEC) < 0) return false;
  *channel = first_free;
  if (*pidfd >= 0) *pidfd = first_free + 1;
  return syscall(NR_CLOSE_RANGE, (unsigned)first_free + (*pidfd >= 0 ? 2 : 1), ~0U, 0) == 0;
}

static bool is_channel(int fd) {
  int type;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return false;
  if (type == SOCK_SEQPACKET) return true;
  errno = EPROTOTYPE;
  return false;
}

// The ends that stay here, with `keep`, and those of the child.
struct sockets {
  int ear[2], console[2];
};

static bool make_sockets(struct sockets *sockets, bool has_terminal) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets->ear) < 0) return false;
  return !has_terminal || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets->console) == 0;
}

static _Noreturn void become_process(struct child *child, const struct process_plan *plan, struct sockets *sockets, struct gate *gate) {
  pass_gate(gate);
  if (sockets->ear[0] >= 0) close(sockets->ear[0]);
  if (sockets->console[0] >= 0) close(sockets->console[0]);
  child->company = sockets->ear[1];
  if (sockets->console[1] >= 0) child->slots[CONSOLE_SOCKET_SLOT] = sockets->console[1];
  take_defaults();
  run_steps(child, plan);
}

static int run(struct child *child, const struct process_plan *plan, bool is_kept) {
  struct sockets sockets = {{-1, -1}, {-1, -1}};
  struct gate gate;
  if (!make_gate(&gate) || (is_kept && !make_sockets(&sockets, plan->terminal))) return errno;
  if (is_kept) prepare_company();
  int process = -1, pid = clone_process(plan, is_kept ? 0 : CLONE_PARENT, child->init_pidfd, &process);
  if (pid == 0) become_process(child, plan, &sockets, &gate);
  if (pid < 0) return errno;
  tell_with_descriptor(child->channel, CHILD_CLONED, (uint32_t)pid, 0, process);
  if (!is_kept) return 0;
  leave_gate(&gate);
  close(sockets.ear[1]);
  if (sockets.console[1] >= 0) close(sockets.console[1]);
  keep_company(&(struct company){process, sockets.ear[0], sockets.console[0], child->channel});
}

// The exit status is an errno, so that the caller needs no pipe to know it.
int main(int argc, char **argv) {
  // Nothing in a container that it joins may look into it (CVE-2016-9962).
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NAME, "berth-init", 0, 0, 0); // run from a descriptor, it would be named by a number
  bool is_kept = argc == 6 && strcmp(argv[5], "keep") == 0;
  if (argc != 5 && !is_kept) return EINVAL;
  int plan_fd = number_of(argv[1], 0), channel = number_of(argv[2], 0), pidfd = number_of(argv[3], -1), preserved = number_of(argv[4], 0);
  int first_free = FIRST_PRESERVED + preserved;
  if (pidfd == NOT_ONE || preserved < 0 || preserved > PRESERVED_LIMIT) return EINVAL;
  if (plan_fd < first_free || channel < first_free || (pidfd >= 0 && pidfd < first_free)) return EINVAL;
  if (!take_missing_streams() || !are_open(first_free) || !is_channel(channel)) return errno;
  struct plan_file file;
  struct process_plan plan;
  int error = map_plan(plan_fd, &file);
  if (!error) error = file.has_settings || file.has_command ? EPROTO : take_process_plan(&file.cursor, &plan);
  if (!error && (*plan.paths[0] || *plan.paths[1] || *plan.paths[2])) error = EPROTO; // nobody here copies streams
  if (error) return error;
  if (!lay_out(first_free, &channel, &pidfd)) return errno;
  struct child child = {.channel = channel, .init_pidfd = pidfd, .company = -1, .status = -1, .preserved = (unsigned)preserved};
  for (int i = 0; i < SLOT_COUNT; i++) child.slots[i] = -1;
  return run(&child, &plan, is_kept);
}
