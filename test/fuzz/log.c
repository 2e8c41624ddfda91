// Fuzzes what of the shim takes a container's output: lines of any length in reads of any size (log.c, log-entry.c). What comes out must be whole entries,
// and all of what went in. Built with the sanitizers by `make fuzz`. Arguments: seconds, seed.
#define _GNU_SOURCE
#include "../../native/shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18 };
struct settings settings;
bool buffers_dirty;

static uint64_t state;
static uint32_t below(uint32_t bound) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32) % bound;
}

// A disk that is full now and then: writes that come short or fail, files that cannot be made.
static bool is_full;
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

int __wrap_open(const char *path, int flags, mode_t mode) {
  struct stat st;
  if (is_full && flags & O_CREAT && below(2) && stat(path, &st) < 0) return errno = ENOSPC, -1;
  return __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size) {
  if (!is_full || below(3)) return __real_write(fd, bytes, size);
  if (size < 2 || below(2)) return errno = ENOSPC, -1;
  return __real_write(fd, bytes, 1 + below((uint32_t)size - 1));
}

static size_t make_output(uint8_t *to) {
  static const char *const parts[] = {"\n", "\\\"<>&", "\xe2\x80\xa8", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x01\x7f", "plain", "\r\n"};
  size_t size = 0;
  for (uint32_t count = below(60); count > 0; count--) {
    uint32_t kind = below(10);
    if (kind == 9) { // about as long as a piece
      size_t length = below(2) ? (16 << 10) - 2 + below(4) : below(40000);
      if (size + length > ROOM - 16) break;
      memset(to + size, 'a' + (int)below(26), length), size += length;
    } else {
      memcpy(to + size, parts[kind], strlen(parts[kind])), size += strlen(parts[kind]);
    }
  }
  return size;
}

static void check_file(const char *name) {
  static uint8_t bytes[8 * ROOM];
  int fd = open(name, O_RDONLY);
  ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
  close(fd);
  uint64_t count;
  if (size < 0 || whole_log_entries(bytes, (size_t)size, &count) != (size_t)size) abort();
}

// One process in its whole life: each run is a child, since a log is opened once.
static _Noreturn void run(void) {
  static uint8_t output[ROOM];
  settings.log_format = (uint8_t)below(2);
  settings.log_max_files = 1 + below(3);
  settings.log_max_size = below(2) ? 0 : 1 + below(50000);
  if (below(2)) settings.log_attributes_size = (uint32_t)(settings.log_format == LOG_JSON ? stpcpy(settings.log_attributes, "{\"a\":\"b\"}") - settings.log_attributes : stpcpy(settings.log_attributes, "\x32\x06\x0a\x01" "a\x12\x01" "b") - settings.log_attributes);
  char directory[4000];
  if (!getcwd(directory, sizeof directory)) _exit(1);
  snprintf(settings.log_path, sizeof settings.log_path, "%s/log", directory);
  if (open_log() != 0) _exit(1);
  size_t size = make_output(output);
  for (size_t at = 0; at < size;) {
    size_t part = 1 + below(below(4) ? 40 : 30000);
    if (part > size - at) part = size - at;
    log_output((int)below(2), output + at, part);
    at += part;
    if (below(16) == 0) release_log_buffer();
    if (below(32) == 0 && truncate("log", 0) < 0 && errno != ENOENT) _exit(1);
    if (below(64) == 0) unlink("log");
    if (below(8) == 0) is_full = !is_full;
  }
  log_end(0), log_end(1);
  is_full = false;
  check_file("log"), check_file("log.1"), check_file("log.2");
  if (access("log.next", F_OK) == 0) abort();
  _exit(0);
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  char directory[] = "/tmp/fuzz-XXXXXX";
  if (!mkdtemp(directory) || chdir(directory) < 0) return 1;
  uint64_t seed = strtoull(arguments[2], NULL, 10), rounds = 0;
  int status = 0;
  for (time_t end = time(NULL) + atoi(arguments[1]); time(NULL) < end && status == 0; rounds++) {
    state = (seed + rounds) * 0x9e3779b97f4a7c15 + 1;
    int pid = fork();
    if (pid == 0) run();
    if (pid < 0 || waitpid(pid, &status, 0) != pid) status = 1;
    if (status != 0) fprintf(stderr, "log: broken; again with FUZZ_SEED=%llu\n", (unsigned long long)(seed + rounds));
    unlink("log"), unlink("log.1"), unlink("log.2"), unlink("log.next");
  }
  if (chdir("/") < 0 || rmdir(directory) < 0 || status != 0) return 1;
  printf("%-20s %9llu inputs, seed %s\n", "log", (unsigned long long)rounds, arguments[2]);
  return 0;
}
