// What a hostile program in a container tries. Tests compile it statically and bind it into a container.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int tell(int result) {
  printf("%s\n", result < 0 ? strerror(errno) : "ok");
  return 0;
}

// socket FAMILY TYPE: a kind of socket that the kernel should not be asked for from inside.
static int try_socket(char **arguments) { return tell(socket(atoi(arguments[0]), atoi(arguments[1]), 0)); }

// watch: looks at every process that appears (an exec's way into the container) and says what it got hold of.
static int watch_newcomers(char **arguments) {
  const char *links[] = {"cwd", "root", "exe", "fd/0", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8"};
  int known = atoi(arguments[0]);
  for (long round = 0; round < 100000000; round++)
    for (int pid = known + 1; pid < known + 60; pid++)
      for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        char path[64], target[4096];
        snprintf(path, sizeof path, "/proc/%d/%s", pid, links[i]);
        ssize_t size = readlink(path, target, sizeof target - 1);
        if (size < 0) continue;
        target[size] = 0;
        if (strstr(target, arguments[1]) || strstr(target, "memfd:") || strstr(target, "socket:")) {
          printf("%s %s\n", path, target);
          fflush(stdout);
        }
      }
  return 0;
}

// sleep: as whoever the file's bits make of it.
static int sleep_long(char **arguments) {
  printf("%d\n", geteuid());
  fflush(stdout);
  sleep((unsigned)atoi(arguments[0]));
  return 0;
}

// swap A B: exchanges two names as fast as can be, until killed.
static int swap_names(char **arguments) {
  for (;;)
    if (syscall(SYS_renameat2, AT_FDCWD, arguments[0], AT_FDCWD, arguments[1], 2) < 0) return tell(-1);
}

// reach PID NAME: what an open of something of that process gives.
static int reach(char **arguments) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/%s", arguments[0], arguments[1]);
  return tell(open(path, O_RDONLY));
}

// call NUMBER A B C: a system call by its number.
static int make_call(char **arguments) {
  return tell((int)syscall(atol(arguments[0]), atol(arguments[1]), atol(arguments[2]), atol(arguments[3])));
}

int main(int count, char **arguments) {
  struct {
    const char *name;
    int (*run)(char **);
    int wanted;
  } tries[] = {{"socket", try_socket, 2}, {"watch", watch_newcomers, 2}, {"sleep", sleep_long, 1}, {"swap", swap_names, 2}, {"reach", reach, 2}, {"call", make_call, 4}};
  for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
    if (count >= 2 + tries[i].wanted && strcmp(arguments[1], tries[i].name) == 0) return tries[i].run(arguments + 2);
  return 2;
}
