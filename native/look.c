// berth-shim --read <parent> <size max> <root> <path>, berth-shim --kind <parent> <path>: a look at files for a daemon, which must not wait itself
// where a file system answers nothing. This process can be killed, and goes with its parent.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int give(int file, off_t left) {
  static char bytes[1 << 16];
  while (left > 0) {
    ssize_t size = read(file, bytes, left < (off_t)sizeof bytes ? (size_t)left : sizeof bytes);
    if (size < 0) return errno;
    if (size == 0) break;
    left -= size;
    for (ssize_t at = 0, done; at < size; at += done)
      if ((done = write(1, bytes + at, (size_t)(size - at))) < 0) return errno;
  }
  return 0;
}

// What is there is looked at before it is opened: a FIFO would wait, and opening a device may do anything.
static int read_in(const char *size_max, const char *root_path, const char *path) {
  struct stat st;
  int root = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  int found = root < 0 ? -1 : open_in(root, path, O_PATH | O_CLOEXEC, K_RESOLVE_IN_ROOT | K_RESOLVE_NO_MAGICLINKS);
  if (found < 0 || fstat(found, &st) < 0) return errno;
  if (!S_ISREG(st.st_mode)) return EINVAL;
  if (st.st_size > strtoll(size_max, NULL, 10)) return EFBIG;
  char again[32];
  snprintf(again, sizeof again, "/proc/self/fd/%d", found);
  int file = open(again, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  return file < 0 ? errno : give(file, st.st_size);
}

static int tell_kind(const char *path) {
  struct stat st;
  if (stat(path, &st) < 0) return errno;
  return write(1, S_ISDIR(st.st_mode) ? "d" : "o", 1) < 0 ? errno : 0;
}

bool is_look(int argc, char **argv) {
  return (argc == 6 && !strcmp(argv[1], "--read")) || (argc == 4 && !strcmp(argv[1], "--kind"));
}

// Its exit status is an errno.
int look(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != atoi(argv[2])) return ESRCH; // it had gone before that
  return argc == 6 ? read_in(argv[3], argv[4], argv[5]) : tell_kind(argv[3]);
}
