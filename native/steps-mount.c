// Steps on mounts: by descriptor, with the mount API of Linux 5.2 to 5.12, so that no path is looked up twice.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int move_mount_fds(int from, int to) {
  return (int)syscall(NR_MOVE_MOUNT, from, "", to, "", K_MOVE_MOUNT_F_EMPTY_PATH | K_MOVE_MOUNT_T_EMPTY_PATH);
}

static int clone_tree(int directory, const char *path, unsigned flags) {
  return (int)syscall(NR_OPEN_TREE, directory, path, K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | flags);
}

int step_propagation(struct child *child, struct cursor *c) {
  (void)child;
  const char *path = take_text(c);
  uint32_t flags = take_u32(c);
  return c->bad ? -1 : mount(NULL, path, NULL, flags, NULL);
}

static int configure(int context, struct cursor *c, unsigned command) {
  uint16_t count = take_u16(c);
  for (int i = 0; i < count; i++) {
    const char *key = take_text(c);
    bool has_value = take_u8(c) != 0;
    const char *value = has_value ? take_text(c) : NULL;
    if (c->bad) return -1;
    if (syscall(NR_FSCONFIG, context, has_value ? K_FSCONFIG_SET_STRING : K_FSCONFIG_SET_FLAG, key, value, 0) < 0) return -1;
  }
  return c->bad ? -1 : (int)syscall(NR_FSCONFIG, context, command, NULL, NULL, 0);
}

int step_fs_mount(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *fstype = take_text(c);
  bool has_source = take_u8(c) != 0;
  const char *source = has_source ? take_text(c) : NULL;
  uint32_t attributes = take_u32(c);
  if (c->bad) return -1;
  int context = (int)syscall(NR_FSOPEN, fstype, K_FSOPEN_CLOEXEC);
  if (context < 0) return -1;
  int fd = -1;
  bool is_set = !has_source || syscall(NR_FSCONFIG, context, K_FSCONFIG_SET_STRING, "source", source, 0) == 0;
  if (is_set && configure(context, c, K_FSCONFIG_CMD_CREATE) == 0) fd = (int)syscall(NR_FSMOUNT, context, K_FSMOUNT_CLOEXEC, attributes);
  int error = errno;
  close(context);
  errno = error;
  return fill_slot(child, slot, fd);
}

int step_open_tree(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c), directory_slot = take_u8(c);
  const char *path = take_text(c);
  unsigned flags = take_u8(c) ? K_AT_RECURSIVE : 0;
  if (c->bad) return -1;
  if (directory_slot == NO_SLOT) return fill_slot(child, slot, clone_tree(AT_FDCWD, path, flags));
  int directory = slot_fd(child, directory_slot);
  if (directory < 0) return -1;
  if (!*path) return fill_slot(child, slot, clone_tree(directory, "", flags | AT_EMPTY_PATH));
  int found = open_in(directory, path, O_PATH | O_CLOEXEC, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
  if (found < 0) return -1;
  int fd = clone_tree(found, "", flags | AT_EMPTY_PATH), error = errno;
  close(found);
  errno = error;
  return fill_slot(child, slot, fd);
}

// A mount of another namespace can be cloned only from within it. What follows sees the host again.
int step_open_tree_of(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *namespace = take_text(c), *path = take_text(c);
  unsigned flags = take_u8(c) ? K_AT_RECURSIVE : 0;
  if (c->bad) return -1;
  int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  int theirs = own < 0 ? -1 : open(namespace, O_RDONLY | O_CLOEXEC);
  int fd = -1;
  if (theirs >= 0 && setns(theirs, NEWNS) == 0) {
    fd = clone_tree(AT_FDCWD, path, flags);
    int error = errno;
    if (setns(own, NEWNS) < 0) _exit(126); // never go on among another container's files
    errno = error;
  }
  int error = errno;
  if (own >= 0) close(own);
  if (theirs >= 0) close(theirs);
  errno = error;
  return fill_slot(child, slot, fd);
}

int step_mount_setattr(struct child *child, struct cursor *c) {
  int fd = slot_fd(child, take_u8(c));
  struct mount_attr_args attributes = {0};
  attributes.set = take_u64(c);
  attributes.clear = take_u64(c);
  attributes.propagation = take_u64(c);
  unsigned flags = AT_EMPTY_PATH | (take_u8(c) ? K_AT_RECURSIVE : 0);
  uint8_t userns = take_u8(c);
  if (c->bad || fd < 0) return -1;
  if (userns != NO_SLOT) {
    int namespace = slot_fd(child, userns);
    if (namespace < 0) return -1;
    attributes.userns = (uint64_t)namespace;
  }
  return (int)syscall(NR_MOUNT_SETATTR, fd, "", flags, &attributes, sizeof attributes);
}

int step_reconfigure(struct child *child, struct cursor *c) {
  int fd = slot_fd(child, take_u8(c));
  if (c->bad || fd < 0) return -1;
  int context = (int)syscall(NR_FSPICK, fd, "", K_FSPICK_CLOEXEC | K_FSPICK_EMPTY_PATH);
  if (context < 0) return -1;
  int result = configure(context, c, K_FSCONFIG_CMD_RECONFIGURE), error = errno;
  close(context);
  return result < 0 ? refuse(error) : 0;
}

int step_move_mount(struct child *child, struct cursor *c) {
  int from = slot_fd(child, take_u8(c));
  int to = from < 0 ? -1 : slot_fd(child, take_u8(c));
  if (c->bad || to < 0) return -1;
  return move_mount_fds(from, to);
}

int step_move_mount_to_path(struct child *child, struct cursor *c) {
  int from = slot_fd(child, take_u8(c));
  const char *path = take_text(c);
  if (c->bad || from < 0) return -1;
  return (int)syscall(NR_MOVE_MOUNT, from, "", AT_FDCWD, path, K_MOVE_MOUNT_F_EMPTY_PATH);
}

int step_mask(struct child *child, struct cursor *c) {
  int target = slot_fd(child, take_u8(c));
  int file = target < 0 ? -1 : slot_fd(child, take_u8(c));
  int directory = file < 0 ? -1 : slot_fd(child, take_u8(c));
  struct stat st;
  if (c->bad || directory < 0 || fstat(target, &st) < 0) return -1;
  int cover = directory;
  if (!S_ISDIR(st.st_mode)) {
    // An image or a racing container may have put another file at /dev/null; mounted over, it would show itself, not hide.
    if (fstat(file, &st) < 0) return -1;
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return refuse(ENODEV);
    cover = file;
  }
  int fd = clone_tree(cover, "", AT_EMPTY_PATH);
  if (fd < 0) return -1;
  int result = move_mount_fds(fd, target), error = errno;
  close(fd);
  return result < 0 ? refuse(error) : 0;
}
