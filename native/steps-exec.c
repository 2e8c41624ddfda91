// The end of a plan: terminal, working directory, program, execve.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>

enum { GET_PEER = 0x5441 /* TIOCGPTPEER */, CANDIDATE_LIMIT = 1024, ARGUMENT_LIMIT = 1 << 20 };

// A container may have put anything at /dev/pts/ptmx; only a real devpts gives a terminal.
static int open_master(int devpts) {
  int master = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  struct stat st;
  struct statfs fs;
  if (master < 0) return -1;
  int unlocked = 0;
  if (fstat(master, &st) == 0 && fstatfs(master, &fs) == 0) {
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2) || fs.f_type != DEVPTS_MAGIC) errno = ENOTTY;
    else if (ioctl(master, TIOCSPTLCK, &unlocked) == 0) return master;
  }
  int error = errno;
  close(master);
  return refuse(error);
}

static int mount_console(int slave, int console) {
  int fd = (int)syscall(NR_OPEN_TREE, slave, "", K_OPEN_TREE_CLONE | K_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  if (fd < 0) return -1;
  int flags = K_MOVE_MOUNT_F_EMPTY_PATH | K_MOVE_MOUNT_T_EMPTY_PATH;
  int result = (int)syscall(NR_MOVE_MOUNT, fd, "", console, "", flags), error = errno;
  close(fd);
  return result < 0 ? refuse(error) : 0;
}

// Over the console socket as other runtimes do it: the name as data, a descriptor that blocks.
static int hand_over(struct child *child, uint8_t slot, int master) {
  static const char name[] = "/dev/ptmx";
  int socket = slot_fd(child, slot);
  if (socket < 0 || fcntl(master, F_SETFL, O_RDWR) < 0) return -1;
  if (!send_descriptor(socket, name, sizeof name - 1, master)) return -1;
  child->slots[slot] = -1;
  return close(socket);
}

static int own_terminal(int slave, uint32_t uid, uint32_t gid) {
  struct stat st;
  if (fstat(slave, &st) < 0) return -1;
  return st.st_uid == uid && st.st_gid == gid ? 0 : fchown(slave, uid, gid);
}

// Under berth-init's own eyes: as large as its terminal from the first moment on, and that terminal alone makes lines of what is written.
static void match_terminal_of_init(int master) {
  struct winsize size;
  struct termios modes;
  for (int fd = 0; fd < 3; fd++)
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && ioctl(master, TIOCSWINSZ, &size) == 0) break;
  if (tcgetattr(master, &modes) < 0) return;
  modes.c_oflag &= ~(tcflag_t)ONLCR;
  tcsetattr(master, TCSANOW, &modes);
}

int step_pty(struct child *child, struct cursor *c) {
  int devpts = slot_fd(child, take_u8(c));
  uint8_t console_slot = take_u8(c);
  struct winsize size = {0};
  size.ws_row = take_u16(c);
  size.ws_col = take_u16(c);
  uint32_t uid = take_u32(c), gid = take_u32(c);
  uint8_t socket_slot = take_u8(c);
  if (c->bad || devpts < 0) return -1;
  int master = open_master(devpts);
  if (master < 0) return -1;
  if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0) return -1;
  if (child->company >= 0 && socket_slot == CONSOLE_SOCKET_SLOT) match_terminal_of_init(master);
  int slave = ioctl(master, GET_PEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0 || own_terminal(slave, uid, gid) < 0) return -1;
  if (console_slot != NO_SLOT) {
    int console = slot_fd(child, console_slot);
    if (console < 0 || mount_console(slave, console) < 0) return -1;
  }
  if (ioctl(slave, TIOCSCTTY, 0) < 0) return -1;
  for (int fd = 0; fd < 3; fd++)
    if (dup3(slave, fd, 0) < 0) return -1;
  if (socket_slot == NO_SLOT) tell_with_descriptor(child->channel, CHILD_PTY, 0, 0, master);
  else if (hand_over(child, socket_slot, master) < 0) return -1;
  close(slave);
  return close(master);
}

// getcwd(2) of a directory outside the root does not begin with a slash (CVE-2024-21626).
int step_chdir(struct child *child, struct cursor *c) {
  (void)child;
  const char *path = take_text(c);
  if (c->bad || chdir(path) < 0) return -1;
  char where[PATH_MAX];
  if (syscall(SYS_getcwd, where, sizeof where) < 0) return -1;
  return where[0] == '/' ? 0 : refuse(ENOENT);
}

// The container's own filter holds already, and one that is older than the call refuses it with EPERM. By then real and effective ids are the same.
static bool is_executable(const char *path) {
  if (syscall(NR_FACCESSAT2, AT_FDCWD, path, X_OK, AT_EACCESS) == 0) return true;
  return (errno == EPERM || errno == ENOSYS) && syscall(SYS_faccessat, AT_FDCWD, path, X_OK) == 0;
}

int step_resolve_exec(struct child *child, struct cursor *c) {
  uint16_t count = take_u16(c);
  int error = ENOENT;
  for (int i = 0; i < count; i++) {
    const char *path = take_text(c);
    struct stat st;
    if (c->bad) return -1;
    if (stat(path, &st) < 0) {
      if (errno != ENOENT && errno != ENOTDIR) error = errno;
      continue;
    }
    if (S_ISREG(st.st_mode) && is_executable(path)) {
      child->program = path;
      return 0;
    }
    error = EACCES;
  }
  return refuse(error);
}

int step_close_fds(struct child *child, struct cursor *c) {
  (void)child;
  uint32_t from = take_u32(c);
  if (c->bad) return -1;
  return (int)syscall(NR_CLOSE_RANGE, from, ~0U, K_CLOSE_RANGE_CLOEXEC);
}

// In memory of the process's own.
char **take_texts(struct cursor *c) {
  uint32_t count = take_u32(c);
  if (c->bad || count > ARGUMENT_LIMIT) return NULL;
  char **texts = mmap(NULL, (count + 1) * sizeof *texts, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (texts == MAP_FAILED) return NULL;
  for (uint32_t i = 0; i < count && !c->bad; i++) texts[i] = (char *)take_text(c);
  return texts;
}

int step_exec(struct child *child, struct cursor *c) {
  char **arguments = take_texts(c), **environment = take_texts(c);
  if (c->bad || !arguments || !environment) return refuse(E2BIG);
  if (!child->program) return refuse(ENOENT);
  return execve(child->program, arguments, environment);
}
