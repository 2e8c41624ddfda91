// Whether the bundle is still there. Whoever removes a daemon's directories under it leaves a container that nobody can reach any more: by our
// records and sockets alone are we found. Then it ends, and we with it.
#define _GNU_SOURCE
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

// What is removed as a whole goes file by file: our pid file first, its directory some time later, looked for at longer and longer intervals.
enum { FIRST_SECONDS = 1, LAST_SECONDS = 60, UNTOLD_SECONDS = 30 };

static bool is_told;            // of what is removed from the bundle
static int64_t next_look;       // 0: none is due
static int64_t seconds_between;

// Only a directory that is known to be gone counts. One that cannot be asked just now (EIO, ESTALE) may come back.
static bool is_removed(void) {
  struct stat st;
  return stat(".", &st) == 0 ? st.st_nlink == 0 : errno == ENOENT;
}

static void look_after(int64_t seconds) {
  seconds_between = seconds < LAST_SECONDS ? seconds : LAST_SECONDS;
  next_look = monotonic_seconds() + seconds_between;
}

// dnotify, and not inotify: of whose instances a user has 128, fewer than there are shims. The descriptor stays open, for with it the watch ends.
void watch_bundle(void) {
  int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  is_told = fd >= 0 && fcntl(fd, F_NOTIFY, DN_DELETE | DN_MULTISHOT) == 0;
  if (!is_told && fd >= 0) close(fd);
  if (!is_told) look_after(UNTOLD_SECONDS); // a kernel without CONFIG_DNOTIFY
  on_bundle_change(); // what was removed before we were to be told
}

void on_bundle_change(void) {
  struct stat st;
  if (next_look == 0 && lstat("shim.pid", &st) < 0 && errno == ENOENT) look_after(FIRST_SECONDS);
}

int64_t check_bundle(int64_t now) {
  if (next_look != 0 && next_look <= now) {
    if (is_removed()) {
      next_look = 0;
      begin_shutdown();
    } else look_after(is_told ? 2 * seconds_between : UNTOLD_SECONDS);
  }
  return next_look == 0 ? INT64_MAX : next_look;
}
