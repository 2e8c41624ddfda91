// Steps on files. Everything inside a root file system goes through descriptors: its symbolic links are an attacker's.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { LINK_LIMIT = 40 };

int step_write_file(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *path = take_text(c);
  uint32_t size;
  const uint8_t *data = take_bytes(c, &size);
  if (c->bad) return -1;
  int directory = slot == NO_SLOT ? AT_FDCWD : slot_fd(child, slot);
  if (slot != NO_SLOT && directory < 0) return -1;
  uint64_t resolve = slot == NO_SLOT ? 0 : K_RESOLVE_NO_MAGICLINKS | K_RESOLVE_NO_XDEV | K_RESOLVE_BENEATH;
  int fd = open_in(directory, path, O_WRONLY | O_CLOEXEC, resolve);
  if (fd < 0) return -1;
  ssize_t written = write(fd, data, size);
  int error = written < 0 ? errno : (size_t)written == size ? 0 : EIO;
  close(fd);
  return error ? refuse(error) : 0;
}

int step_open_in_root(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c), root = take_u8(c);
  const char *path = take_text(c);
  uint32_t flags = take_u32(c);
  if (c->bad) return -1;
  int root_fd = root == NO_SLOT ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC) : slot_fd(child, root);
  if (root_fd < 0) return -1;
  int fd = open_in(root_fd, path, flags | O_CLOEXEC, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS), error = errno;
  if (root == NO_SLOT) close(root_fd);
  errno = error;
  return fill_slot(child, slot, fd);
}

// A walk through a root: `done` is what has been resolved and holds no links, `rest` is what is still to be walked.
struct walk {
  int root;
  char done[PATH_MAX], rest[PATH_MAX], link[PATH_MAX];
};

static void leave_directory(char *path) {
  char *slash = strrchr(path, '/');
  if (slash) *slash = 0;
  else *path = 0;
}

// Opens what has been resolved so far. It holds no links, so that one that shows up now is a race and is refused.
static int open_done(const struct walk *w, uint64_t flags) {
  return open_in(w->root, *w->done ? w->done : ".", flags | O_PATH | O_CLOEXEC, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_SYMLINKS);
}

// Makes the entry `name`. One that somebody else has made meanwhile is as good.
static int make_entry(int parent, const char *name, bool is_file, mode_t mode) {
  int result = is_file ? mknodat(parent, name, S_IFREG | mode, 0) : mkdirat(parent, name, mode);
  return result < 0 && errno != EEXIST ? -1 : 0;
}

// Puts a link's target in front of what is still to be walked. An absolute target starts at the root again.
static int follow_link(struct walk *w, ssize_t target_size, const char *after) {
  size_t after_size = strlen(after);
  if ((size_t)target_size + after_size + 2 > sizeof w->rest) return refuse(ENAMETOOLONG);
  if (w->link[0] == '/') *w->done = 0;
  memmove(w->rest + target_size + 1, after, after_size + 1);
  memcpy(w->rest, w->link, (size_t)target_size);
  w->rest[target_size] = '/';
  return 0;
}

// Takes one component of the rest: down, up, through a link, or into something new.
static int walk_component(struct walk *w, bool last_is_file, mode_t mode, int *links) {
  char *name = w->rest;
  while (*name == '/') name++;
  size_t size = strcspn(name, "/");
  char *after = name + size;
  bool is_last = after[strspn(after, "/")] == 0;
  if (*after) *after++ = 0;
  int error = 0;
  if (size == 0 || strcmp(name, ".") == 0) {
    // stays where it is
  } else if (strcmp(name, "..") == 0) {
    leave_directory(w->done);
  } else {
    int parent = open_done(w, O_DIRECTORY);
    if (parent < 0) return -1;
    ssize_t target = readlinkat(parent, name, w->link, sizeof w->link - 1);
    if (target >= 0) {
      close(parent);
      if (++*links > LINK_LIMIT) return refuse(ELOOP);
      return follow_link(w, target, after);
    }
    // EINVAL: it is there and is no link.
    if (errno == ENOENT) error = make_entry(parent, name, is_last && last_is_file, is_last ? mode : 0755) < 0 ? errno : 0;
    else if (errno != EINVAL) error = errno;
    close(parent);
    if (strlen(w->done) + size + 2 > sizeof w->done) error = ENAMETOOLONG;
    if (error) return refuse(error);
    if (*w->done) strcat(w->done, "/");
    strcat(w->done, name);
  }
  memmove(w->rest, after, strlen(after) + 1);
  return 0;
}

// In the present root, which is the host's or one that nobody else has a hand in.
int step_open_host(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *path = take_text(c);
  uint32_t flags = take_u32(c);
  if (c->bad) return -1;
  return fill_slot(child, slot, open(path, (int)flags | O_CLOEXEC));
}

// A path that is too long for an address is connected to by a descriptor of its socket.
int step_connect_unix(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  const char *path = take_text(c);
  if (c->bad) return -1;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int found = -1;
  if (strlen(path) < sizeof address.sun_path) strcpy(address.sun_path, path);
  else if ((found = open(path, O_PATH | O_CLOEXEC)) < 0) return -1;
  else snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", found);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int result = fd < 0 ? -1 : connect(fd, (struct sockaddr *)&address, sizeof address), error = errno;
  if (found >= 0) close(found);
  if (result == 0) return fill_slot(child, slot, fd);
  if (fd >= 0) close(fd);
  return refuse(error);
}

int step_make_path(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c), root = take_u8(c);
  const char *path = take_text(c);
  bool is_file = take_u8(c) != 0;
  mode_t mode = take_u32(c) & 07777;
  if (c->bad) return -1;
  int root_fd = slot_fd(child, root);
  if (root_fd < 0) return -1;
  // Most paths exist.
  int fd = open_in(root_fd, path, O_PATH | O_CLOEXEC, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
  if (fd >= 0 || errno != ENOENT) return fill_slot(child, slot, fd);
  static struct walk w; // static: 12 KiB that the child alone touches
  if (strlen(path) >= sizeof w.rest) return refuse(ENAMETOOLONG);
  w.root = root_fd;
  *w.done = 0;
  strcpy(w.rest, path);
  int links = 0;
  while (*w.rest)
    if (walk_component(&w, is_file, mode, &links) < 0) return -1;
  return fill_slot(child, slot, open_done(&w, 0));
}

int step_mknod(struct child *child, struct cursor *c) {
  int directory = slot_fd(child, take_u8(c));
  const char *name = take_text(c);
  mode_t mode = take_u32(c);
  uint32_t major_number = take_u32(c), minor_number = take_u32(c), uid = take_u32(c), gid = take_u32(c);
  if (c->bad || directory < 0) return -1;
  if (mknodat(directory, name, mode, makedev(major_number, minor_number)) < 0) return -1;
  if ((uid || gid) && fchownat(directory, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
  return fchmodat(directory, name, mode & 07777, 0);
}

static bool is_null(int fd, const char *path) {
  struct stat st;
  return fstatat(fd, path, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

int step_reopen_null(struct child *child, struct cursor *c) {
  (void)child;
  if (c->bad) return -1;
  // Looked at before it is opened: an image may have put any device there, and to open one may be to use it.
  if (!is_null(AT_FDCWD, "/dev/null")) return refuse(ENODEV);
  int null = open("/dev/null", O_RDWR | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  if (null < 0) return -1;
  int result = is_null(null, "") ? 0 : refuse(ENODEV);
  for (int fd = 0; result == 0 && fd < 3; fd++)
    if (is_null(fd, "") && dup2(null, fd) < 0) result = -1;
  int error = errno;
  close(null);
  return result < 0 ? refuse(error) : 0;
}

int step_symlink(struct child *child, struct cursor *c) {
  int directory = slot_fd(child, take_u8(c));
  const char *name = take_text(c), *target = take_text(c);
  if (c->bad || directory < 0) return -1;
  return symlinkat(target, directory, name);
}

int step_close(struct child *child, struct cursor *c) {
  uint8_t slot = take_u8(c);
  int fd = slot_fd(child, slot);
  if (c->bad || fd < 0) return -1;
  child->slots[slot] = -1;
  return close(fd);
}
