// Runs a plan's steps in the child, one after the other. Which step is what number: the table below, in the order of
// src/linux/steps.ts.
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { RUN_HOOK = 40 };

static step_function *const step_table[] = {
    NULL, step_setns, step_setns_init, step_unshare, step_setsid, step_prctl, step_sethostname, step_setdomainname,
    step_session_keyring, step_rlimit, step_umask, step_set_ids, step_cap_bounding, step_cap_set, step_cap_ambient, step_seccomp,
    step_loopback_up, step_write_file, step_open_in_root, step_make_path, step_mknod, step_symlink, step_close, step_propagation,
    step_fs_mount, step_open_tree, step_mount_setattr, step_move_mount, step_move_mount_to_path, step_mask, step_pivot_root, step_pty,
    step_chdir, step_resolve_exec, step_close_fds, step_await_start, step_exec, step_open_tree_of, step_clone, step_sync, step_run_hook,
    step_open_host, step_connect_unix, step_await_fifo, step_make_user_namespace, step_scheduler, step_io_priority, step_memory_policy,
    step_personality, step_cpu_affinity, step_reconfigure, step_copy_tree, step_move_root, step_chroot, step_reopen_null,
    step_own_streams,
};

int refuse(int error) {
  errno = error;
  return -1;
}

int slot_fd(struct child *child, uint8_t slot) {
  if (slot >= SLOT_COUNT || child->slots[slot] < 0) return refuse(EBADF);
  return child->slots[slot];
}

int fill_slot(struct child *child, uint8_t slot, int fd) {
  if (fd < 0) return -1;
  if (slot >= SLOT_COUNT) {
    close(fd);
    return refuse(EBADF);
  }
  if (child->slots[slot] >= 0) close(child->slots[slot]);
  child->slots[slot] = fd;
  return 0;
}

// The kernel forgets the parent-death signal whenever credentials change, and for every new process: whoever does that calls this again.
int arm_parent_death(const struct child *child) {
  return child->dies_with_parent ? prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) : 0;
}

// By write(2), which every filter permits. Where nobody listens any more SIGPIPE ends the process, as the end of the channel would.
void tell_spawner(int channel, uint32_t kind, uint32_t step, uint32_t error) {
  struct child_message message = {kind, step, error};
  if (write(channel, &message, sizeof message) < 0) return; // what waits for an answer finds out
}

bool send_descriptor(int socket, const void *bytes, size_t size, int fd) {
  struct iovec data = {(void *)bytes, size};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *attached = CMSG_FIRSTHDR(&header);
  attached->cmsg_level = SOL_SOCKET;
  attached->cmsg_type = SCM_RIGHTS;
  attached->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(attached), &fd, sizeof fd);
  return sendmsg(socket, &header, MSG_NOSIGNAL) == (ssize_t)size;
}

void tell_with_descriptor(int channel, uint32_t kind, uint32_t step, uint32_t error, int fd) {
  struct child_message message = {kind, step, error};
  send_descriptor(channel, &message, sizeof message, fd);
}

static bool is_skipped(struct cursor *errnos, uint8_t count, int error) {
  bool found = false;
  for (int i = 0; i < count; i++)
    if (take_u32(errnos) == (uint32_t)error) found = true;
  return found;
}

// A hook's failure comes with what the hook said.
static void tell_failure(const struct child *child, uint32_t step, int error, bool is_hook) {
  struct child_message message = {CHILD_FAILED, step, (uint32_t)error};
  bool is_fifo = child->status >= 0; // is told what follows the kind
  if (child->company >= 0) tell_spawner(child->company, CHILD_FAILED, step, (uint32_t)error);
  struct iovec parts[2] = {{&message, sizeof message}, {0}};
  if (is_fifo) parts[0] = (struct iovec){&message.step, sizeof message - sizeof message.kind};
  if (is_hook) parts[1].iov_base = (void *)hook_report(&parts[1].iov_len);
  if (writev(is_fifo ? child->status : child->channel, parts, is_hook ? 2 : 1) < 0) _exit(126); // nobody listens
}

_Noreturn void run_steps(struct child *child, const struct process_plan *plan) {
  struct cursor c = plan->steps;
  uint32_t index = 0;
  uint8_t passed_over = 0, number = 0;
  for (; index < plan->step_count; index++) {
    number = take_u8(&c);
    uint8_t skip = take_u8(&c), errno_count = take_u8(&c);
    struct cursor errnos = c;
    for (int i = 0; i < errno_count; i++) take_u32(&c);
    uint32_t size;
    const uint8_t *bytes = take_bytes(&c, &size);
    if (c.bad || number == 0 || number >= sizeof step_table / sizeof *step_table) {
      errno = EPROTO;
      break;
    }
    if (passed_over > 0) {
      passed_over--;
      continue;
    }
    struct cursor body = {bytes, bytes + size, false};
    if (step_table[number](child, &body) == 0) {
      if (!body.bad) continue;
      errno = EPROTO; // the step saw zeros where the body had ended
      break;
    }
    if (body.bad) errno = EPROTO;
    if (!is_skipped(&errnos, errno_count, errno)) break;
    passed_over = skip;
  }
  if (index == plan->step_count) errno = ENOEXEC; // a plan ends with exec
  int error = errno;
  tell_failure(child, index, error, number == RUN_HOOK && (error == ECANCELED || error == ETIMEDOUT));
  _exit(error == ENOENT ? 127 : 126);
}
