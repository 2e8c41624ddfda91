// Steps that change what the process has for its root directory.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>

// With "." for both, the old root is stacked under the new one and needs no directory inside it (pivot_root(2), NOTES).
int step_pivot_root(struct child *child, struct cursor *c) {
  int root = slot_fd(child, take_u8(c));
  if (c->bad || root < 0) return -1;
  if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) return -1;
  return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -1 : 0;
}

int step_chroot(struct child *child, struct cursor *c) {
  int root = slot_fd(child, take_u8(c));
  if (c->bad || root < 0) return -1;
  return fchdir(root) < 0 || chroot(".") < 0 ? -1 : chdir("/");
}

// Undoes the \ooo of mountinfo in place.
static void unescape(char *text) {
  char *to = text;
  for (const char *from = text; *from; to++) {
    bool is_escaped = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] && from[3];
    *to = is_escaped ? (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0')) : *from;
    from += is_escaped ? 4 : 1;
  }
  *to = 0;
}

static bool is_below(const char *path, const char *directory) {
  size_t size = strlen(directory);
  return strncmp(path, directory, size) == 0 && (path[size] == 0 || path[size] == '/');
}

// The mount point in a line of mountinfo if a procfs or sysfs is mounted there, else NULL. The line is cut up.
static char *point_of_kernel_files(char *line) {
  char *type = strstr(line, " - ");
  if (!type) return NULL;
  *type = 0;
  type += 3;
  type[strcspn(type, " ")] = 0;
  if (strcmp(type, "proc") != 0 && strcmp(type, "sysfs") != 0) return NULL;
  char *point = line;
  for (int field = 0; field < 4; field++) {
    point = strchr(point, ' ');
    if (!point++) return NULL;
  }
  point[strcspn(point, " ")] = 0;
  unescape(point);
  return point;
}

// Who moves a mount over the root leaves the host's other mounts there, in reach of a second chroot; those of kernel files are the ones that hurt.
static int cover(const char *point) {
  if (mount(NULL, point, NULL, MS_SLAVE | MS_REC, NULL) < 0) return errno == EINVAL || errno == ENOENT ? 0 : -1; // went with one above it
  if (umount2(point, MNT_DETACH) == 0) return 0;
  if (errno != EINVAL && errno != EPERM) return -1; // locked where it is (a user namespace's)
  return mount("tmpfs", point, "tmpfs", 0, NULL);
}

static int cover_kernel_files(const char *root) {
  static char text[16 << 10]; // a line of mountinfo is at most a page and two paths
  int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC), result = fd < 0 ? -1 : 0;
  size_t size = 0;
  while (result == 0) {
    ssize_t more = read(fd, text + size, sizeof text - 1 - size);
    if (more <= 0) {
      result = more < 0 ? -1 : 0;
      break;
    }
    size += (size_t)more;
    text[size] = 0;
    char *line = text, *end;
    while (result == 0 && (end = strchr(line, '\n'))) {
      *end = 0;
      const char *point = point_of_kernel_files(line);
      if (point && !is_below(point, root)) result = cover(point);
      line = end + 1;
    }
    size -= (size_t)(line - text);
    memmove(text, line, size + 1);
    if (size == sizeof text - 1) result = refuse(ENAMETOOLONG);
  }
  int error = errno;
  if (fd >= 0) close(fd);
  return result < 0 ? refuse(error) : 0;
}

int step_move_root(struct child *child, struct cursor *c) {
  int root = slot_fd(child, take_u8(c));
  char path[PATH_MAX];
  if (c->bad || root < 0 || fchdir(root) < 0) return -1;
  if (!getcwd(path, sizeof path) || cover_kernel_files(path) < 0) return -1;
  if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) return -1;
  return chdir("/");
}
