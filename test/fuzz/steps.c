// Fuzzes the steps: plans with arguments of the right shape, and what becomes of those by chance, run by the code that the programs have. A
// seccomp filter takes every system call out of reach; it is answered here, as a kernel might: with success, with an errno, with less than
// was asked for. Built with the sanitizers by `make fuzz`. Arguments: seconds, seed.
#define _GNU_SOURCE
#include "../../native/shim.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { ROOM = 1 << 22, LONG_TEXT = 9000, LONG_BYTES = 300000, LONG_READ = 1 << 16, INPUTS = 200, STUCK_SECONDS = 60, DONE = 99, BROKEN = 98, STEPS = 55 };

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "exitcode=98:symbolize=0:detect_leaks=0:abort_on_error=0"; }
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "exitcode=98:symbolize=0"; }
static volatile bool is_reporting; // the sanitizer's own calls are refused
void __asan_on_error(void);
void __asan_on_error(void) { is_reporting = true; }

static uint64_t state;
static uint32_t below(uint32_t bound) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32) % bound;
}

// ---- plans: s slot, 1 2 4 8 numbers, t text, o optional text, b bytes, T texts, C candidates, O options

static const char *const shapes[STEPS + 1] = {
    "",      "t4",    "4",    "4",    "",     "48888", "t",    "t",     "t",    "488",   "4",    "44b1",  "8",   "888",
    "8",     "4b",    "",     "stb",  "sst4", "sst14", "st44444", "stt", "s",   "t4",    "sto4O", "sst1", "s8881s", "ss",
    "st",    "sss",   "s",    "ss2244s", "t", "C",    "4",    "",      "TT",   "stt1",  "8",    "4",     "tTT4", "st4",
    "st",    "ss",    "stt",  "4848888", "4", "4b",   "4",    "b",     "sO",   "ss",    "s",    "s",    "",     "44",
};

static uint8_t input[ROOM];
static size_t size;

static void put(uint64_t value, int width) {
  for (int i = 0; i < width; i++) input[size++] = (uint8_t)(value >> (8 * i));
}

static void put_text(void) {
  static const char *const texts[] = {"", "/", "a", "/bin/sh", "../..", "/proc/self/fd/9", "name=value", "size"};
  static char long_text[LONG_TEXT + 1];
  const char *text = texts[below(8)];
  if (below(16) == 0) { // longer than a path may be, or nearly
    size_t length = LONG_TEXT / 5 + below(LONG_TEXT / 2);
    for (size_t i = 0; i < length; i++) long_text[i] = i % 100 ? 'a' : '/';
    long_text[length] = 0;
    text = long_text;
  }
  put(strlen(text), 4);
  memcpy(input + size, text, strlen(text) + 1);
  size += strlen(text) + 1;
}

static void put_argument(char shape) {
  static const uint64_t numbers[] = {0, 1, 3, 8, 0x20000, 0x10000000, 0xffffffff, UINT64_MAX};
  uint32_t count = below(4);
  switch (shape) {
  case 's': return put(below(8) ? below(6) : below(2) ? 249 : 255, 1);
  case '1': return put(below(2), 1);
  case 't': return put_text();
  case 'o': return put(count > 0, 1), count > 0 ? put_text() : (void)0;
  case 'b':
    if (below(16) == 0) count = below(LONG_BYTES / 8);
    put(count * 8, 4);
    for (uint32_t i = 0; i < count; i++) put(numbers[below(8)], 8);
    return;
  case 'T':
  case 'C':
    put(count, shape == 'T' ? 4 : 2);
    for (uint32_t i = 0; i < count; i++) put_text();
    return;
  case 'O':
    put(count, 2);
    for (uint32_t i = 0; i < count; i++) put_text(), put_argument('o');
    return;
  default: return put(numbers[below(8)], shape - '0');
  }
}

static void put_step(uint32_t number) {
  put(number, 1), put(below(3), 1);
  uint32_t errnos = below(3);
  put(errnos, 1);
  for (uint32_t i = 0; i < errnos; i++) put(1 + below(40), 4);
  size_t at = size;
  put(0, 4);
  for (const char *shape = shapes[number]; *shape; shape++) put_argument(*shape);
  size_t end = size;
  size = at, put(end - at - 4, 4), size = end;
}

static void mutate(void) {
  static const uint32_t numbers[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  for (uint32_t changes = below(4); changes > 0 && size > 4; changes--) {
    uint32_t at = below((uint32_t)size - 4);
    size_t end = size;
    if (below(3) == 0) input[at] = (uint8_t)below(256);
    else if (below(2)) size = at, put(numbers[below(8)], 4), size = end;
    else size = at;
  }
}

// ---- the kernel's part

static sigjmp_buf next_input;
static bool is_friendly; // answers 0 to everything
static struct {
  uint32_t errors, usual; // how often of 16 a call fails, and with which errno mostly
  uint32_t mode;          // what most files are
  uint32_t entries;       // of directories
  bool has_opened;        // a first look at a path finds nothing more often than others
} mood;                   // of the kernel, for one input
static int last_error;   // of the failure that was told
static long answered;

static size_t fill(uint64_t to, uint64_t room, const char *bytes, size_t count) {
  if (count > room) count = room;
  memcpy((void *)to, bytes, count);
  return count;
}

static long answer_read(uint64_t to, uint64_t room) {
  static const char *const words[] = {"s", "s{\"state\":1}", "x", "", "s\0", "36 25 0:32 / /proc rw,nosuid - proc proc rw\n",
                                      "1 2 0:1 / /a\\040b\\134 rw shared:1 - sysfs none rw\n3 ", " - \n - proc \\7\\77\\777", "\n\n- -"};
  uint32_t which = below(10);
  if (which == 9) return (long)fill(to, room, (char *)input, below(LONG_READ));
  return (long)fill(to, room, words[which], which == 4 ? 2 : strlen(words[which]));
}

static long answer_link(uint64_t to, uint64_t room) {
  static char long_target[4096];
  memset(long_target, 'l', sizeof long_target);
  for (int slash = 200; slash < 4096; slash += 200) long_target[slash] = '/';
  if (!is_friendly && below(8)) return -EINVAL; // is none
  return below(2) ? (long)fill(to, room, below(2) ? "/target" : "../..", 5) : (long)fill(to, room, long_target, below(sizeof long_target));
}

static long answer_directory(uint64_t to) {
  static const char *const names[] = {".", "..", "a", "directory"};
  static char long_name[251];
  memset(long_name, 'n', sizeof long_name - 1);
  const char *name = below(2) ? names[below(4)] : long_name;
  uint16_t step = (uint16_t)((19 + strlen(name) + 8) / 8 * 8);
  uint8_t *record = (uint8_t *)to;
  memset(record, 0, step);
  memcpy(record + 16, &step, sizeof step);
  strcpy((char *)record + 19, name);
  return step;
}

static uint32_t any_mode(void) {
  static const uint32_t modes[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFREG, S_IFDIR, S_IFSOCK};
  return modes[below(8)];
}

static long answer_stat(uint64_t to) {
  struct stat st = {.st_mode = (below(8) ? mood.mode : any_mode()) | 0644, .st_nlink = 1 + below(2), .st_ino = below(9), .st_size = below(9) * 1000};
  st.st_rdev = below(2) ? 0x103 : 0x502;
  return memcpy((void *)to, &st, sizeof st), 0;
}

static long answer_poll(uint64_t to, uint64_t count) {
  struct pollfd *events = (struct pollfd *)to;
  for (uint64_t i = 0; i < count; i++) events[i].revents = events[i].fd >= 0 && below(2) ? POLLIN : 0;
  return 1;
}

// What a process says when its plan has failed.
static void hear(uint64_t from, uint64_t count) {
  struct child_message message;
  if (count != sizeof message) return;
  memcpy(&message, (void *)from, sizeof message);
  if (message.kind == CHILD_FAILED) last_error = (int)message.error;
}

static const int errors[] = {EINTR, EAGAIN, ENOENT, EPERM, EINVAL, EEXIST, EXDEV, ENOTSUP, ENOSYS, ECHILD, ENXIO, ELOOP};
enum { ERRORS = sizeof errors / sizeof *errors };

static long answer(long number, const uint64_t a[6]) {
  answered++;
  switch (number) {
  case SYS_exit_group:
  case SYS_execve: // it does not come back
#ifdef SYS_pause
  case SYS_pause:
#else
  case SYS_rt_sigsuspend:
#endif
    siglongjmp(next_input, 1);
  case SYS_writev: {
    const struct iovec *parts = (const struct iovec *)a[1];
    return hear((uint64_t)parts->iov_base, parts->iov_len), (long)parts->iov_len;
  }
  default: break;
  }
  if (!is_friendly && below(16) < mood.errors) return -errors[below(2) ? mood.usual : below(ERRORS)];
  switch (number) {
  case SYS_read: return answer_read(a[1], a[2]);
  case SYS_write: return (long)(is_friendly || below(4) ? a[2] : below((uint32_t)a[2] + 1));
  case SYS_getdents64: return below(4) && mood.entries ? mood.entries--, answer_directory(a[1]) : 0;
  case SYS_readlinkat: return answer_link(a[2], a[3]);
  case SYS_getcwd: return (long)fill(a[0], a[1], below(4) ? "/root" : "(/oot", 6);
  case SYS_fstat: return answer_stat(a[1]);
#ifdef SYS_stat
  case SYS_stat: return answer_stat(a[1]);
  case SYS_poll: return answer_poll(a[0], a[1]);
#endif
  case SYS_dup: return 300; // only a sanitizer asks, again and again until it has none of the first three
  case SYS_pipe2: return ((int *)a[0])[0] = 300, ((int *)a[0])[1] = 301, 0;
  case SYS_newfstatat: return answer_stat(a[2]);
  case SYS_ppoll: return answer_poll(a[0], a[1]);
  case SYS_flistxattr: return (long)fill(a[1], a[2], "user.a\0security.b", 18);
  case SYS_llistxattr: return (long)fill(a[1], a[2], "user.a\0security.b", 18);
  case SYS_fgetxattr:
  case SYS_lgetxattr: return (long)fill(a[2], a[3], "value", below(6));
  case SYS_wait4: return a[1] ? (memset((void *)a[1], below(2), sizeof(int)), 77) : 77;
  case SYS_lseek: return below(2) ? (long)a[1] : (long)(a[1] + below(3000));
  case SYS_copy_file_range:
  case SYS_sendfile: return below(1000);
  case 437: // openat2
    if (!is_friendly && !mood.has_opened && below(2)) return mood.has_opened = true, -ENOENT;
    return 3 + below(300);
  case SYS_clone:
  case 435: return below(3) ? 77 : 0; // clone3
  default: return is_friendly || below(2) ? 0 : 3 + below(300);
  }
}

static void on_call(int signal, siginfo_t *info, void *context) {
  (void)signal;
  ucontext_t *c = context;
#if defined(__x86_64__)
  greg_t *r = c->uc_mcontext.gregs;
  const uint64_t a[6] = {(uint64_t)r[REG_RDI], (uint64_t)r[REG_RSI], (uint64_t)r[REG_RDX], (uint64_t)r[REG_R10], (uint64_t)r[REG_R8], (uint64_t)r[REG_R9]};
  r[REG_RAX] = is_reporting ? -EPERM : answer(info->si_syscall, a);
#else
  unsigned long long *r = c->uc_mcontext.regs;
  const uint64_t a[6] = {r[0], r[1], r[2], r[3], r[4], r[5]};
  r[0] = (unsigned long long)(is_reporting ? -EPERM : answer(info->si_syscall, a));
#endif
}

// What the sanitizers and this program need goes through; output only to standard error, the end only with the two codes of ours.
static void take_kernel_away(void) {
  static const int through[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_brk, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigprocmask,
                                SYS_sigaltstack, SYS_getpid, SYS_gettid, SYS_clock_gettime, SYS_sched_yield};
  enum { COUNT = sizeof through / sizeof *through };
  struct sock_filter program[1 + 2 * COUNT + 8], *p = program;
  *p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (int i = 0; i < COUNT; i++) {
    *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)through[i], 0, 1);
    *p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  }
  *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0);
  *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 4);
  *p++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
  *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DONE, 3, 0);
  *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BROKEN, 2, 0);
  *p++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STDERR_FILENO, 1, 0);
  *p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
  *p++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {(unsigned short)(p - program), program};
  struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSYS, &action, NULL);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) _exit(1);
}

// ---- one input

static void run(uint32_t steps) {
  uint8_t *exact = malloc(size ? size : 1); // a byte too far is seen
  memcpy(exact, input, size);
  struct process_plan plan = {.step_count = steps, .steps = {exact, exact + size, false}};
  struct child child = {.channel = 3, .init_pidfd = 5, .company = below(2) ? 6 : -1, .status = -1, .preserved = below(3)};
  for (int i = 0; i < SLOT_COUNT; i++) child.slots[i] = i < 6 ? 1000 + i : -1;
  mood.has_opened = false, mood.entries = below(200);
  mood.errors = below(2) ? 0 : below(12), mood.usual = below(ERRORS), mood.mode = any_mode();
  if (sigsetjmp(next_input, 1) == 0) run_steps(&child, &plan);
  free(exact);
}

// Every step finds its arguments where this file has them: what is fuzzed is what is meant.
static bool check_shapes(void) {
  is_friendly = true;
  for (uint32_t number = 1; number <= STEPS; number++)
    for (int i = 0; i < 20; i++) {
      size = 0, last_error = 0;
      put_step(number);
      run(1);
      if (last_error != EPROTO) continue;
      dprintf(2, "step %u does not take \"%s\"\n", number, shapes[number]);
      return false;
    }
  is_friendly = false;
  return true;
}

static _Noreturn void work(void) {
  take_kernel_away();
  if (!check_shapes()) _exit(BROKEN);
  for (int i = 0; i < INPUTS; i++) {
    uint32_t steps = 1 + below(8);
    size = 0;
    for (uint32_t step = 0; step < steps; step++) put_step(1 + below(STEPS));
    mutate();
    run(below(8) ? steps : steps + 3);
  }
  if (answered < INPUTS) dprintf(2, "steps make no calls\n");
  _exit(answered < INPUTS ? BROKEN : DONE);
}

// A worker that does not come to its end is stuck in a loop.
static bool is_fine(int pid) {
  int status;
  for (time_t end = time(NULL) + STUCK_SECONDS; time(NULL) < end; usleep(2000))
    if (waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) && WEXITSTATUS(status) == DONE;
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return false;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  uint64_t seed = strtoull(arguments[2], NULL, 10), rounds = 0;
  for (time_t end = time(NULL) + atoi(arguments[1]); rounds == 0 || time(NULL) < end; rounds++) {
    state = (seed + rounds) * 0x9e3779b97f4a7c15 + 1;
    int pid = fork();
    if (pid == 0) work();
    if (pid > 0 && is_fine(pid)) continue;
    fprintf(stderr, "steps: broken or stuck; again with FUZZ_SEED=%llu\n", (unsigned long long)(seed + rounds));
    return 1;
  }
  printf("%-20s %9llu inputs, seed %s\n", "steps", (unsigned long long)rounds * INPUTS, arguments[2]);
  return 0;
}
