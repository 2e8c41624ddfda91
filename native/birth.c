// How a process comes to be: clone3(2) with what a plan says of it, and the state in which it begins.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>

int clone_with(uint64_t flags, int cgroup, int *pidfd) {
  struct clone3_args args = {
      .flags = flags | CLONE_PIDFD_FLAG | (cgroup >= 0 ? CLONE_INTO_CGROUP_FLAG : 0),
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD, // a sibling has its parent's say
      .cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0,
  };
  return (int)syscall(NR_CLONE3, &args, sizeof args);
}

// setns(2) to a PID namespace changes only where the next children are born; and back again.
static int clone_elsewhere(const struct process_plan *plan, uint64_t flags, int cgroup, int init_pidfd, int *pidfd) {
  int target = plan->join_init_pid ? init_pidfd : open(plan->pid_namespace, O_RDONLY | O_CLOEXEC);
  if (target < 0) return plan->join_init_pid ? refuse(EBADF) : -1;
  int own = (int)syscall(NR_PIDFD_OPEN, getpid(), 0);
  int error = own < 0 || setns(target, NEWPID) < 0 ? errno : 0;
  if (!plan->join_init_pid) close(target);
  int pid = error ? -1 : clone_with(flags, cgroup, pidfd);
  if (pid == 0) {
    close(own);
    return 0;
  }
  if (!error && pid < 0) error = errno;
  if (own >= 0 && setns(own, NEWPID) < 0) _exit(1); // never go on in the container's namespace
  if (own >= 0) close(own);
  return error ? refuse(error) : pid;
}

int clone_process(const struct process_plan *plan, uint64_t flags, int init_pidfd, int *pidfd) {
  int cgroup = *plan->cgroup ? open(plan->cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (*plan->cgroup && cgroup < 0) return -1;
  bool is_elsewhere = plan->join_init_pid || *plan->pid_namespace;
  flags |= plan->clone_flags;
  int pid = is_elsewhere ? clone_elsewhere(plan, flags, cgroup, init_pidfd, pidfd) : clone_with(flags, cgroup, pidfd);
  int error = errno;
  if (cgroup >= 0) close(cgroup);
  errno = error;
  return pid;
}

void take_defaults(void) {
  // The system call itself: glibc refuses the signals of its threads, which its posix_spawn leaves ignored in whoever started us.
  struct { void *handler; unsigned long flags; void *restorer; uint64_t mask; } standard = {.handler = SIG_DFL};
  for (int number = 1; number < NSIG; number++) syscall(SYS_rt_sigaction, number, &standard, NULL, sizeof standard.mask);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  umask(0); // so that steps make files with exactly their modes; a step sets the process's own
}

bool take_missing_streams(void) {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) return false;
  return true;
}

bool make_gate(struct gate *gate) { return pipe2(gate->ends, O_CLOEXEC) == 0; }

void leave_gate(struct gate *gate) {
  close(gate->ends[0]);
  close(gate->ends[1]);
}

void pass_gate(struct gate *gate) {
  close(gate->ends[1]);
  char nothing;
  while (read(gate->ends[0], &nothing, 1) < 0 && errno == EINTR) continue;
  close(gate->ends[0]);
}
