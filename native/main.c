// berth-shim <namespace>/<id> <bundle>: reads the plan, listens, detaches, makes the first process, keeps it company.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { ROOTFS = 3, FIRST_FREE = 4, BACKLOG = 64 };

// The exit status is the errno, so that the spawner needs no pipe to know it.
static _Noreturn void fail(const char *what) {
  int error = errno;
  dprintf(2, "berth-shim: %s: %s\n", what, strerror(error));
  _exit(error);
}

static struct rlimit given_limit;

// As many descriptors as we may have; what we make begins with the number that we were given.
static void raise_limits(void) {
  struct rlimit most;
  if (getrlimit(RLIMIT_NOFILE, &given_limit) < 0) return;
  most = given_limit;
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
}

void restore_limits(void) { setrlimit(RLIMIT_NOFILE, &given_limit); }

// Listens on a base name in the working directory, so that no path is too long for sockaddr_un.
int listen_here(const char *name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(name) >= sizeof address.sun_path) return refuse(ENAMETOOLONG);
  strcpy(address.sun_path, name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  unlink(name);
  mode_t before = umask(0177); // 0600 from the first moment
  int result = bind(fd, (struct sockaddr *)&address, sizeof address);
  umask(before);
  return result < 0 || listen(fd, BACKLOG) < 0 ? -1 : fd;
}

static int listen_for_streams(int bundle) {
  if (!*settings.stream_path) return -1;
  char directory[sizeof settings.stream_path];
  strcpy(directory, settings.stream_path);
  char *slash = strrchr(directory, '/');
  *slash = 0;
  if (chdir(*directory ? directory : "/") < 0) fail(settings.stream_path);
  int fd = listen_here(slash + 1);
  if (fd < 0 || fchdir(bundle) < 0) fail(settings.stream_path);
  return fd;
}

static void write_pid(void) {
  char text[16];
  int size = snprintf(text, sizeof text, "%d\n", getpid());
  int fd = open("shim.pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text, (size_t)size) != size) fail("shim.pid");
  close(fd);
}

// Standard streams from nowhere. The spawner may have given none at all, and then the next files opened would take their numbers.
static void take_null(void) {
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd < 3; fd++)
    if (null != fd) dup2(null, fd);
  if (null > 2) close(null);
}

// The spawner waits for this process; the copy that lives on is nobody's child but init's.
static void detach(void) {
  setsid(); // fails only where the spawner has done it already
  int pid = fork();
  if (pid < 0) fail("fork");
  if (pid > 0) _exit(0);
  take_null();
}

int main(int argc, char **argv) {
  if (is_look(argc, argv)) return look(argc, argv);
  if (argc != 3) {
    dprintf(2, "usage: berth-shim <namespace>/<id> <bundle>\n");
    return EINVAL;
  }
  // Nothing in a container that it joins may look into it (CVE-2016-9962).
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_NAME, "berth-shim", 0, 0, 0); // run from a descriptor, it would be named by a number
  int rootfs = fcntl(ROOTFS, F_SETFD, FD_CLOEXEC) == 0 ? ROOTFS : -1;
  syscall(NR_CLOSE_RANGE, (unsigned)FIRST_FREE, ~0U, 0);
  if (fcntl(0, F_GETFD) < 0 || fcntl(1, F_GETFD) < 0 || fcntl(2, F_GETFD) < 0) take_null();
  int bundle = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (bundle < 0 || fchdir(bundle) < 0) fail(argv[2]);
  struct plan_file plan;
  struct process_plan process_plan;
  struct command_plan command;
  struct relay_plan relay;
  errno = open_plan("plan", &plan);
  if (errno) fail("plan");
  errno = plan.has_settings ? take_settings(&plan.cursor) : EPROTO;
  if (!errno)
    errno = plan.has_relay     ? take_relay_plan(&plan.cursor, &relay)
            : plan.has_command ? take_command_plan(&plan.cursor, &command)
                               : take_process_plan(&plan.cursor, &process_plan);
  if (errno) fail("plan");
  errno = open_log();
  if (errno) fail(settings.log_path);
  int streams = listen_for_streams(bundle);
  int control = listen_here("shim.sock");
  if (control < 0) fail("shim.sock");
  close(bundle);

  detach();
  write_pid();
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  struct sigaction standard = {.sa_handler = SIG_DFL};
  sigaction(SIGCHLD, &standard, NULL); // inherited as ignored, it would make the kernel forget the exit codes
  raise_limits();
  strcpy(processes[0].name, "init");
  int error = plan.has_relay     ? spawn_relay(&processes[0], &relay)
              : plan.has_command ? spawn_command(&processes[0], &command)
                                 : spawn_process(&processes[0], &process_plan, rootfs);
  if (!error && plan.has_relay) process_is_made(&processes[0], CREATED);
  if (error) init_failure = (struct failure){.step = NO_STEP, .error = (uint32_t)error};
  close_plan(&plan);
  if (rootfs >= 0) close(rootfs);
  monitor(control, streams);
}
