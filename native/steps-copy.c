// The step that copies a directory's contents, as `cp -a` would: for a tmpfs that begins with what it covers.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { DEPTH_LIMIT = 100, LISTING = 4 << 10, ATTRIBUTE_LIMIT = 64 << 10, LINKED_LIMIT = 512, LINKED_PATHS = 64 << 10 };

// Files with more than one name that have been copied: their other names become links to the copy. One that finds no room here is copied again.
static struct {
  dev_t device;
  ino_t inode;
  uint32_t path; // in `linked_paths`, from the top of the copy
} linked[LINKED_LIMIT];
static unsigned linked_count;
static uint32_t linked_size;
static char linked_paths[LINKED_PATHS];

static char current[PATH_MAX]; // the copy that is being made, from the top
static int top = -1;

static const char *find_link(const struct stat *st) {
  for (unsigned i = 0; i < linked_count; i++)
    if (linked[i].inode == st->st_ino && linked[i].device == st->st_dev) return linked_paths + linked[i].path;
  return NULL;
}

static void note_link(const struct stat *st) {
  size_t size = strlen(current) + 1;
  if (linked_count == LINKED_LIMIT || size > LINKED_PATHS - linked_size) return;
  linked[linked_count].device = st->st_dev;
  linked[linked_count].inode = st->st_ino;
  linked[linked_count++].path = linked_size;
  memcpy(linked_paths + linked_size, current, size);
  linked_size += (uint32_t)size;
}

// Extended attributes by descriptor, or, where `name` is given, of the entry in each of both directories.
struct places {
  int from, to;
  const char *name;
};

static ssize_t list_attributes(const struct places *p, char *list) {
  if (!p->name) return flistxattr(p->from, list, ATTRIBUTE_LIMIT);
  return fchdir(p->from) < 0 ? -1 : llistxattr(p->name, list, ATTRIBUTE_LIMIT);
}

static int copy_attribute(const struct places *p, const char *attribute) {
  static char value[ATTRIBUTE_LIMIT];
  if (p->name && fchdir(p->from) < 0) return -1;
  ssize_t size = p->name ? lgetxattr(p->name, attribute, value, sizeof value) : fgetxattr(p->from, attribute, value, sizeof value);
  if (size < 0) return -1;
  if (p->name && fchdir(p->to) < 0) return -1;
  return p->name ? lsetxattr(p->name, attribute, value, (size_t)size, 0) : fsetxattr(p->to, attribute, value, (size_t)size, 0);
}

// A file system that cannot hold an attribute does without.
static int copy_attributes(const struct places *p) {
  static char list[ATTRIBUTE_LIMIT];
  ssize_t size = list_attributes(p, list);
  if (size < 0) return errno == ENOTSUP ? 0 : -1;
  for (const char *attribute = list; attribute < list + size; attribute += strlen(attribute) + 1)
    if (copy_attribute(p, attribute) < 0 && errno != ENOTSUP) return -1;
  return 0;
}

// Owner before mode and attributes: changing it takes set-id bits and capabilities away.
static int copy_properties(int from, int to, const struct stat *st) {
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0) return -1;
  return copy_attributes(&(struct places){from, to, NULL}) < 0 ? -1 : futimens(to, times);
}

static int copy_range(int in, int out, off_t at, off_t end) {
  while (at < end) {
    off_t from = at, to = at;
    ssize_t size = copy_file_range(in, &from, out, &to, (size_t)(end - at), 0);
    if (size < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) { // between these two file systems it cannot
      from = at;
      size = lseek(out, at, SEEK_SET) < 0 ? -1 : sendfile(out, in, &from, (size_t)(end - at));
    }
    if (size < 0) return -1;
    if (size == 0) return 0; // it has become shorter
    at += size;
  }
  return 0;
}

static int copy_data(int in, int out, off_t size) {
  if (ftruncate(out, size) < 0) return -1;
  for (off_t at = 0; at < size;) {
    off_t data = lseek(in, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return 0;
    off_t hole = data < 0 ? size : lseek(in, data, SEEK_HOLE);
    if (data < 0) data = at; // a file system without holes
    if (hole < 0) hole = size;
    if (copy_range(in, out, data, hole) < 0) return -1;
    at = hole;
  }
  return 0;
}

static int open_entry(int directory, const char *name, uint64_t flags) {
  return open_in(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS);
}

static int copy_file(int from, int to, const char *name) {
  struct stat st;
  int in = open_entry(from, name, O_RDONLY | O_NONBLOCK | O_NOCTTY), out = -1, result = -1;
  if (in >= 0 && fstat(in, &st) == 0) {
    if (!S_ISREG(st.st_mode)) errno = ESTALE; // somebody has put something else there
    else out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }
  if (out >= 0 && copy_data(in, out, st.st_size) == 0) result = copy_properties(in, out, &st);
  int error = errno;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  errno = error;
  return result;
}

static int copy_special(int from, int to, const char *name, const struct stat *st) {
  if (S_ISLNK(st->st_mode)) {
    char target[PATH_MAX];
    ssize_t size = readlinkat(from, name, target, sizeof target - 1);
    if (size < 0) return -1;
    target[size] = 0;
    if (symlinkat(target, to, name) < 0) return -1;
  } else if (mknodat(to, name, st->st_mode, st->st_rdev) < 0) return -1;
  if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0) return -1;
  if (copy_attributes(&(struct places){from, to, name}) < 0) return -1;
  struct timespec times[2] = {st->st_atim, st->st_mtim};
  return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_contents(int from, int to, int depth);

static int copy_directory(int from, int to, const char *name, int depth) {
  struct stat st;
  if (depth == DEPTH_LIMIT) return refuse(ELOOP);
  if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) return -1;
  int in = open_entry(from, name, O_RDONLY | O_DIRECTORY), result = -1;
  int out = in < 0 ? -1 : open_entry(to, name, O_RDONLY | O_DIRECTORY);
  if (out >= 0 && fstat(in, &st) == 0 && copy_contents(in, out, depth + 1) == 0) result = copy_properties(in, out, &st);
  int error = errno;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  errno = error;
  return result;
}

static int copy_entry(int from, int to, const char *name, int depth) {
  struct stat st;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  if (S_ISDIR(st.st_mode)) return copy_directory(from, to, name, depth);
  const char *other = st.st_nlink > 1 ? find_link(&st) : NULL;
  if (other) return linkat(top, other, to, name, 0);
  if ((S_ISREG(st.st_mode) ? copy_file(from, to, name) : copy_special(from, to, name, &st)) < 0) return -1;
  if (st.st_nlink > 1) note_link(&st);
  return 0;
}

// struct linux_dirent64
enum { RECORD_SIZE = 16, RECORD_NAME = 19 };

static int copy_contents(int from, int to, int depth) {
  _Alignas(uint64_t) char listing[LISTING];
  size_t prefix = strlen(current);
  for (;;) {
    long size = syscall(SYS_getdents64, from, listing, sizeof listing);
    if (size <= 0) return size < 0 ? -1 : 0;
    for (long at = 0; at < size;) {
      const char *name = listing + at + RECORD_NAME;
      uint16_t step;
      memcpy(&step, listing + at + RECORD_SIZE, sizeof step);
      at += step;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      if (prefix + strlen(name) + 2 > sizeof current) return refuse(ENAMETOOLONG);
      strcpy(current + prefix, prefix ? "/" : "");
      strcat(current, name);
      int result = copy_entry(from, to, name, depth);
      current[prefix] = 0;
      if (result < 0) return -1;
    }
  }
}

int step_copy_tree(struct child *child, struct cursor *c) {
  int from_slot = slot_fd(child, take_u8(c));
  int to = from_slot < 0 ? -1 : slot_fd(child, take_u8(c));
  if (c->bad || to < 0) return -1;
  // The slots may hold directories that are only pointed at.
  int from = openat(from_slot, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int here = from < 0 ? -1 : open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (here < 0) return -1;
  linked_count = linked_size = 0;
  *current = 0;
  top = to;
  int result = copy_contents(from, to, 0), error = errno;
  if (fchdir(here) < 0 && result == 0) result = -1, error = errno;
  close(here);
  close(from);
  return result < 0 ? refuse(error) : 0;
}
