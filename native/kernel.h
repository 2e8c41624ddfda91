// What libc headers of Debian 12 and musl lack: numbers and flags of the kernel's newer calls (the numbers are the same on
// every architecture from 424 on).
#pragma once
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR_PIDFD_SEND_SIGNAL 424
#define NR_OPEN_TREE 428
#define NR_MOVE_MOUNT 429
#define NR_FSOPEN 430
#define NR_FSCONFIG 431
#define NR_FSMOUNT 432
#define NR_PIDFD_OPEN 434
#define NR_CLONE3 435
#define NR_CLOSE_RANGE 436
#define NR_OPENAT2 437
#define NR_FACCESSAT2 439
#define NR_MOUNT_SETATTR 442

#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC 02000000
#define AT_RECURSIVE 0x8000
#define MOVE_MOUNT_F_EMPTY_PATH 0x4
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10
#define CLOSE_RANGE_CLOEXEC 4
#define NEWPID 0x20000000
#define CLONE_PIDFD_FLAG 0x1000ULL
#define CLONE_INTO_CGROUP_FLAG 0x200000000ULL
#define DEVPTS_MAGIC 0x1cd1

struct open_how_args {
  uint64_t flags, mode, resolve;
};

struct mount_attr_args {
  uint64_t set, clear, propagation, userns;
};

struct clone3_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static inline int open_in(int directory, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how_args how = {.flags = flags, .resolve = resolve};
  return (int)syscall(NR_OPENAT2, directory, path, &how, sizeof how);
}
