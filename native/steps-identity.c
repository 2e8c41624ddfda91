// Steps on namespaces and the identity of the process.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CAPABILITY_VERSION_3 = 0x20080522, JOIN_SESSION_KEYRING = 1, SET_MODE_FILTER = 1, NEW_LISTENER = 8, SYNC_SECCOMP = 3, ID_LIMIT = 65536 };

int step_setns(struct child *child, struct cursor *c) {
  (void)child;
  const char *path = take_text(c);
  int kind = (int)take_u32(c);
  if (c->bad) return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  int result = setns(fd, kind), error = errno;
  close(fd);
  return result < 0 ? refuse(error) : 0;
}

int step_setns_init(struct child *child, struct cursor *c) {
  int kinds = (int)take_u32(c);
  if (c->bad) return -1;
  return setns(child->init_pidfd, kinds);
}

int step_unshare(struct child *child, struct cursor *c) {
  (void)child;
  int kinds = (int)take_u32(c);
  return c->bad ? -1 : unshare(kinds);
}

int step_setsid(struct child *child, struct cursor *c) {
  (void)child, (void)c;
  return setsid() < 0 ? -1 : 0;
}

int step_prctl(struct child *child, struct cursor *c) {
  (void)child;
  int option = (int)take_u32(c);
  uint64_t arguments[4];
  for (int i = 0; i < 4; i++) arguments[i] = take_u64(c);
  if (c->bad) return -1;
  return prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]) < 0 ? -1 : 0;
}

int step_sethostname(struct child *child, struct cursor *c) {
  (void)child;
  const char *name = take_text(c);
  return c->bad ? -1 : sethostname(name, strlen(name));
}

int step_setdomainname(struct child *child, struct cursor *c) {
  (void)child;
  const char *name = take_text(c);
  return c->bad ? -1 : setdomainname(name, strlen(name));
}

int step_session_keyring(struct child *child, struct cursor *c) {
  (void)child;
  const char *name = take_text(c);
  if (c->bad) return -1;
  return syscall(SYS_keyctl, JOIN_SESSION_KEYRING, name) < 0 ? -1 : 0;
}

int step_rlimit(struct child *child, struct cursor *c) {
  (void)child;
  int resource = (int)take_u32(c);
  uint64_t soft = take_u64(c), hard = take_u64(c);
  struct rlimit limit = {(rlim_t)soft, (rlim_t)hard};
  return c->bad ? -1 : (int)syscall(SYS_prlimit64, 0, resource, &limit, NULL);
}

int step_umask(struct child *child, struct cursor *c) {
  (void)child;
  mode_t mask = (mode_t)take_u32(c);
  if (!c->bad) umask(mask);
  return 0;
}

// A program that opens /dev/stdout opens the pipe anew, for which it must own it. /dev/null and terminals are not ours to give away.
void own_streams(uint32_t uid, uint32_t gid) {
  struct stat st;
  for (int fd = 0; fd < 3; fd++)
    if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)) fchown(fd, uid, gid);
}

// A user namespace's root can give away only what belongs to its users, so that the host's root gives the pipes to it before.
int step_own_streams(struct child *child, struct cursor *c) {
  (void)child;
  uint32_t uid = take_u32(c), gid = take_u32(c);
  if (c->bad) return refuse(EINVAL);
  own_streams(uid, gid);
  return 0;
}

// By raw calls: libc would try to change the identity of threads that do not exist here, through memory shared with the shim's copy.
int step_set_ids(struct child *child, struct cursor *c) {
  uint32_t uid = take_u32(c), gid = take_u32(c), count;
  const uint8_t *bytes = take_bytes(c, &count);
  bool keeps_groups = take_u8(c) != 0;
  if (c->bad || count % 4 != 0 || count / 4 > ID_LIMIT) return refuse(EINVAL);
  uint32_t groups[count / 4 + 1]; // at most 256 KiB of the child's own stack
  if (count) memcpy(groups, bytes, count);
  own_streams(uid, (uint32_t)-1);
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return -1;
  if (!keeps_groups && syscall(SYS_setgroups, (size_t)(count / 4), groups) < 0) return -1;
  if (syscall(SYS_setresgid, gid, gid, gid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0) return -1;
  if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0) return -1;
  return arm_parent_death(child);
}

int step_cap_bounding(struct child *child, struct cursor *c) {
  (void)child;
  uint64_t keep = take_u64(c);
  for (int capability = 0; !c->bad && capability < 64; capability++) {
    int held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) break; // beyond the last one that the kernel knows
    if (held && !(keep >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -1;
  }
  return 0;
}

int step_cap_set(struct child *child, struct cursor *c) {
  uint64_t effective = take_u64(c), permitted = take_u64(c), inheritable = take_u64(c);
  if (c->bad) return -1;
  struct {
    uint32_t version;
    int pid;
  } header = {CAPABILITY_VERSION_3, 0};
  struct {
    uint32_t effective, permitted, inheritable;
  } halves[2] = {{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
                 {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}};
  if (syscall(SYS_capset, &header, halves) < 0) return -1;
  return arm_parent_death(child);
}

int step_cap_ambient(struct child *child, struct cursor *c) {
  (void)child;
  uint64_t set = take_u64(c);
  if (c->bad) return -1;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -1;
  for (int capability = 0; capability < 64; capability++)
    if ((set >> capability & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -1;
  return 0;
}

// By then the filter may forbid whatever the sync would be told with, were it not read(2) and write(2).
int step_seccomp(struct child *child, struct cursor *c) {
  uint32_t flags = take_u32(c), size;
  const uint8_t *program = take_bytes(c, &size);
  if (c->bad || size % 8 != 0 || size / 8 > 0xffff) return refuse(EINVAL);
  struct {
    unsigned short count;
    const void *instructions;
  } filter = {(unsigned short)(size / 8), program};
  int result = (int)syscall(SYS_seccomp, SET_MODE_FILTER, flags, &filter);
  if (result < 0 || !(flags & NEW_LISTENER)) return result < 0 ? -1 : 0;
  sync_with_spawner(child, SYNC_SECCOMP, (uint32_t)result);
  return close(result);
}

int step_loopback_up(struct child *child, struct cursor *c) {
  (void)child, (void)c;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct ifreq request = {.ifr_name = "lo"};
  int result = ioctl(fd, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  if (result == 0) result = ioctl(fd, SIOCSIFFLAGS, &request);
  int error = errno;
  close(fd);
  return result < 0 ? refuse(error) : 0;
}
