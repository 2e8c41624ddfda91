// A process that another OCI runtime makes: its command is run and waited for, then the process that its pid file names is ours, since we are
// the nearest subreaper.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { CHANNEL = 3 };

static char pid_files[PROCESS_LIMIT][PATH_MAX], consoles[PROCESS_LIMIT][NAME_LIMIT + 1]; // of commands under way

static size_t index_of(const struct process *p) { return (size_t)(p - processes); }

// The streams are the command's, and the process's that inherits them. It keeps our mask for new files, which its container begins with.
static _Noreturn void become_command(const struct command_plan *command, mode_t mask) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  restore_limits();
  take_defaults();
  umask(mask);
  if (command->gives_streams) own_streams(command->uid, command->gid);
  struct cursor arguments = command->arguments, environment = command->environment;
  char **argv = take_texts(&arguments), **envp = take_texts(&environment);
  if (!argv || !envp) errno = E2BIG;
  else if (!*command->directory || chdir(command->directory) == 0) execve(argv[0], argv, envp);
  tell_spawner(CHANNEL, CHILD_FAILED, NO_STEP, (uint32_t)errno);
  _exit(127);
}

static void close_console(struct process *p) {
  if (p->console < 0) return;
  close(p->console);
  p->console = -1;
  unlink(consoles[index_of(p)]);
}

int spawn_command(struct process *p, const struct command_plan *command) {
  p->terminal = command->terminal;
  p->want_stdin = command->want_stdin;
  p->is_command = true;
  p->starts_at_once = command->starts_at_once;
  struct ends theirs;
  int error = begin_process(p, command->paths, &theirs);
  if (!error && (strlen(command->pid_file) >= PATH_MAX || strlen(command->console) > NAME_LIMIT)) error = ENAMETOOLONG;
  if (!error) {
    strcpy(pid_files[index_of(p)], command->pid_file);
    strcpy(consoles[index_of(p)], command->console);
    unlink(command->pid_file); // one of an earlier process would name that
    if (p->terminal && (p->console = listen_here(command->console)) < 0) error = errno;
  }
  if (!error) {
    mode_t mask = umask(0);
    umask(mask);
    p->pid = clone_with(0, -1, &p->pidfd);
    if (p->pid == 0) {
      place_descriptors(&theirs, -1, -1);
      become_command(command, mask);
    }
    if (p->pid < 0) error = errno;
  }
  if (error) close_console(p);
  return end_process_birth(p, &theirs, error);
}

static int read_pid(const char *path) {
  char text[16];
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  int error = errno;
  if (fd >= 0) close(fd);
  if (size < 0) return refuse(error);
  text[size] = 0;
  char *end;
  long pid = strtol(text, &end, 10);
  return end > text && (*end == 0 || *end == '\n') && pid > 1 && pid <= INT_MAX ? (int)pid : refuse(EINVAL);
}

// The terminal's master, which the command has sent before it ended.
static int take_master(int listener) {
  int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection < 0) return -1;
  char name[PATH_MAX];
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec data = {name, sizeof name};
  struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t size = recvmsg(connection, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct cmsghdr *attached = size < 0 ? NULL : CMSG_FIRSTHDR(&header);
  close(connection);
  if (!attached || attached->cmsg_type != SCM_RIGHTS || attached->cmsg_len != CMSG_LEN(sizeof(int))) return refuse(EPROTO);
  int master;
  memcpy(&master, CMSG_DATA(attached), sizeof master);
  if (isatty(master)) return master;
  close(master);
  return refuse(ENOTTY);
}

static bool is_our_child(int pid) {
  siginfo_t information;
  return waitid(P_PID, (id_t)pid, &information, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// 0, or an errno: then what the command has made is killed.
static int adopt_process(struct process *p) {
  int pid = read_pid(pid_files[index_of(p)]);
  if (pid < 0) return errno;
  if (!is_our_child(pid)) return ESRCH;
  p->pid = pid;
  p->pidfd = (int)syscall(NR_PIDFD_OPEN, pid, 0);
  if (p->pidfd < 0) return errno;
  if (!p->terminal) return 0;
  int master = take_master(p->console);
  if (master < 0) {
    int error = errno;
    kill_process(p, SIGKILL);
    return error;
  }
  adopt_master(p, master);
  return 0;
}

void on_command_exit(struct process *p, int status) {
  if (p->channel >= 0) close(p->channel);
  if (p->pidfd >= 0) close(p->pidfd);
  p->channel = p->pidfd = -1;
  int error = status ? ECHILD : adopt_process(p);
  close_console(p);
  if (!error) {
    process_is_made(p, p->starts_at_once ? RUNNING : CREATED);
    return update_output(p);
  }
  fail_creation(p, (uint32_t)error);
  forget_process(p);
}
