// Steps that make a process: a second stage of the first one, and one that is nothing but a user namespace.
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
#include <sys/wait.h>

// The copy waits until it has been told of, so that nothing that it says is heard before.
int step_clone(struct child *child, struct cursor *c) {
  uint64_t flags = take_u64(c);
  struct gate gate;
  if (c->bad || !make_gate(&gate)) return -1;
  int pidfd = -1, pid = clone_with(flags | CLONE_PARENT, -1, &pidfd);
  if (pid == 0) {
    if (child->dies_with_parent) arm_parent_death(child);
    pass_gate(&gate);
    return 0;
  }
  if (pid < 0) {
    int error = errno;
    leave_gate(&gate);
    return refuse(error);
  }
  tell_with_descriptor(child->channel, CHILD_CLONED, (uint32_t)pid, 0, pidfd);
  if (child->company >= 0) tell_with_descriptor(child->company, CHILD_CLONED, (uint32_t)pid, 0, pidfd);
  _exit(0);
}

static bool write_map(int process, const char *name, const char *map) {
  int fd = openat(process, name, O_WRONLY | O_CLOEXEC);
  size_t size = strlen(map);
  ssize_t written = fd < 0 ? -1 : write(fd, map, size);
  int error = written < 0 ? errno : (size_t)written == size ? 0 : EIO;
  if (fd >= 0) close(fd);
  errno = error;
  return error == 0;
}

// Lives in the new namespace until it is killed. It shares our descriptors, so that it can show us the entry in /proc that is its own: the
// procfs in sight may be of another PID namespace, in which the number that clone3 gave means somebody else.
static _Noreturn void hold_namespace(int told, int parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent && getppid() != 0) _exit(0); // it was killed before; 0 is a parent in another PID namespace
  int entry = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int answer = entry < 0 ? -errno : entry;
  if (write(told, &answer, sizeof answer) == sizeof answer)
    for (;;) pause();
  _exit(0);
}

// The descriptor of the holder's entry, or a negative errno.
static int hear_holder(int told, int pidfd) {
  struct pollfd events[2] = {{.fd = told, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
  int answer;
  while (poll(events, 2, -1) < 0)
    if (errno != EINTR) return -errno;
  return events[0].revents & POLLIN && read(told, &answer, sizeof answer) == sizeof answer ? answer : -ECHILD;
}

int step_make_user_namespace(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *uid_map = take_text(c), *gid_map = take_text(c);
  struct gate gate;
  if (c->bad || !make_gate(&gate)) return -1;
  int self = getpid(), pidfd = -1, pid = clone_with(CLONE_NEWUSER | CLONE_FILES, -1, &pidfd);
  if (pid == 0) hold_namespace(gate.ends[1], self);
  int namespace = -1, error = errno;
  if (pid > 0) {
    int entry = hear_holder(gate.ends[0], pidfd);
    if (entry < 0) errno = -entry;
    else if (write_map(entry, "uid_map", uid_map) && write_map(entry, "gid_map", gid_map))
      namespace = openat(entry, "ns/user", O_RDONLY | O_CLOEXEC);
    error = errno;
    syscall(NR_PIDFD_SEND_SIGNAL, pidfd, SIGKILL, NULL, 0);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    close(pidfd);
    if (entry >= 0) close(entry);
  }
  leave_gate(&gate);
  return namespace < 0 ? refuse(error) : fill_slot(child, slot, namespace);
}
