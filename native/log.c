// A container's log: its output cut into lines and written to a file that is bounded and rotated. log-entry.c makes the bytes.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// A line longer than PIECE is written as several entries.
enum { PIECE = 16 << 10, BATCH = 192 << 10 };

// The start of a line whose end has not been read yet.
struct tail {
  uint8_t data[PIECE];
  size_t size;
  bool is_continued; // pieces of this line have been written already; they carry the first one's time and id
  struct log_stamp stamp;
  struct log_partial partial;
};

static struct tail tails[2];
static uint8_t batch[BATCH] __attribute__((aligned(4096)));
static size_t batched;
static uint64_t file_size; // with what is batched
static uint64_t lost;      // entries that could not be written, and of which the log does not tell yet
static bool has_notice;    // the batch tells of them
static int log_fd = -1;

static int open_file(int flags) { return open(settings.log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640); }

int open_log(void) {
  if (!*settings.log_path) return 0;
  log_fd = open_file(0);
  struct stat st;
  if (log_fd < 0 || fstat(log_fd, &st) < 0) return errno;
  file_size = (uint64_t)st.st_size;
  return 0;
}

// On a full disk what has been written is cut back to whole entries, and the rest of the batch is lost: a container
// must not hang because its log cannot grow.
static void drop_torn_entry(size_t end) {
  uint64_t all, written;
  whole_log_entries(batch, batched, &all);
  size_t torn = end - whole_log_entries(batch, end, &written);
  lost += all - written - (has_notice && written == 0 ? 1 : 0);
  if (has_notice && written > 0) lost = all - written;
  struct stat st;
  if (fstat(log_fd, &st) < 0) return;
  if (torn > 0 && (uint64_t)st.st_size >= torn) ftruncate(log_fd, st.st_size - (off_t)torn);
  file_size = (uint64_t)st.st_size - torn;
}

// A file that somebody has deleted is nobody's log any more: the next one takes its place.
static void replace_deleted(void) {
  struct stat st;
  if (fstat(log_fd, &st) < 0 || st.st_nlink > 0) return;
  int fd = open_file(0);
  if (fd < 0 || fstat(fd, &st) < 0) return;
  close(log_fd);
  log_fd = fd;
  file_size = (uint64_t)st.st_size + batched;
}

static void flush(void) {
  size_t start = 0;
  if (batched > 0) replace_deleted();
  while (start < batched) {
    ssize_t size = write(log_fd, batch + start, batched - start);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      drop_torn_entry(start);
      break;
    }
    start += (size_t)size;
  }
  if (start == batched && has_notice) lost = 0;
  has_notice = false;
  if (batched > 8 << 10) buffers_dirty = true;
  batched = 0;
}

static void rename_piece(uint32_t from, uint32_t to, const char *suffix) {
  char old[sizeof settings.log_path + 16], new[sizeof old];
  if (from == 0) snprintf(old, sizeof old, "%s%s", settings.log_path, suffix);
  else snprintf(old, sizeof old, "%s.%u%s", settings.log_path, from, suffix);
  snprintf(new, sizeof new, "%s.%u%s", settings.log_path, to, suffix);
  rename(old, new);
}

static bool is_there(uint32_t number, const char *suffix) {
  char path[sizeof settings.log_path + 16];
  snprintf(path, sizeof path, "%s.%u%s", settings.log_path, number, suffix);
  return access(path, F_OK) == 0;
}

static void remove_piece(uint32_t number, const char *suffix) {
  char path[sizeof settings.log_path + 16];
  snprintf(path, sizeof path, "%s.%u%s", settings.log_path, number, suffix);
  unlink(path);
}

// Rotated files move up by one as far as there are some: the setting may be any number.
static void move_up(void) {
  uint32_t count = 0;
  while (count + 1 < settings.log_max_files && (is_there(count + 1, "") || is_there(count + 1, ".gz"))) count++;
  if (count + 1 == settings.log_max_files) {
    remove_piece(count, ""), remove_piece(count, ".gz");
    count--;
  }
  for (uint32_t i = count + 1; i > 1; i--) rename_piece(i - 1, i, ""), rename_piece(i - 1, i, ".gz");
  rename_piece(0, 1, "");
}

// Whoever compresses rotated files gives them other names, and holds a lock on their directory while it does. Nobody waits for it here: a file that
// cannot be rotated now grows by another entry.
static int lock_directory(void) {
  char path[sizeof settings.log_path];
  strcpy(path, settings.log_path);
  *strrchr(path, '/') = 0;
  int fd = open(*path ? path : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
    close(fd);
    return -1;
  }
  return fd;
}

// The next file is there before any other gives up its name: where there is no room for one more, nothing is moved, let alone removed.
static int make_next(void) {
  if (settings.log_max_files == 1) return open_file(O_TRUNC);
  char path[sizeof settings.log_path + 16];
  snprintf(path, sizeof path, "%s.next", settings.log_path);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return -1;
  move_up();
  rename(path, settings.log_path);
  return fd;
}

// <path> becomes <path>.1, .1 becomes .2 and so on, compressed ones likewise; with one file only, it starts anew.
static void rotate(void) {
  flush();
  struct stat st;
  if (fstat(log_fd, &st) == 0 && (uint64_t)st.st_size < settings.log_max_size) { // somebody else has cut it
    file_size = (uint64_t)st.st_size;
    return;
  }
  int lock = lock_directory();
  if (lock < 0) return;
  int fd = make_next();
  close(lock);
  if (fd < 0) return; // goes on in the old file
  close(log_fd);
  log_fd = fd;
  file_size = 0;
}

static void add_entry(const struct log_entry *entry) {
  if (settings.log_max_size > 0 && file_size >= settings.log_max_size) rotate();
  if (batched + log_entry_bound(entry->size) > sizeof batch) flush();
  size_t size = (size_t)(put_log_entry(batch + batched, entry) - (batch + batched));
  batched += size;
  file_size += size;
}

// Where entries are missing, the log itself says so as soon as it can.
static void tell_lost(const struct log_stamp *stamp) {
  char text[128];
  int size = snprintf(text, sizeof text, "berth: %llu log entries could not be written and are lost", (unsigned long long)lost);
  add_entry(&(struct log_entry){.which = 1, .data = (uint8_t *)text, .size = (size_t)size, .stamp = stamp});
  has_notice = true;
}

static void put_entry(int which, const uint8_t *data, size_t size, const struct log_stamp *stamp, const struct log_partial *partial) {
  if (lost > 0 && !has_notice) tell_lost(stamp);
  add_entry(&(struct log_entry){.which = which, .data = data, .size = size, .stamp = stamp, .partial = partial});
}

static void put_line(int which, const uint8_t *data, size_t size, const struct log_stamp *now) {
  struct tail *t = &tails[which];
  if (!t->is_continued) return put_entry(which, data, size, now, NULL);
  t->partial.ordinal++;
  t->partial.is_last = true;
  put_entry(which, data, size, &t->stamp, &t->partial);
  t->is_continued = false;
}

static void put_piece(int which, const uint8_t *data, size_t size, const struct log_stamp *now) {
  struct tail *t = &tails[which];
  if (!t->is_continued) {
    t->stamp = *now;
    t->partial.ordinal = 0;
    t->partial.is_last = false;
    if (settings.log_format == LOG_LOCAL) make_partial_id(t->partial.id);
  }
  t->is_continued = true;
  t->partial.ordinal++;
  put_entry(which, data, size, &t->stamp, &t->partial);
}

void log_output(int which, const uint8_t *data, size_t size) {
  if (log_fd < 0) return;
  struct tail *t = &tails[which];
  struct log_stamp now;
  take_stamp(&now);
  while (size > 0) {
    size_t room = PIECE - t->size, look = size < room ? size : room;
    const uint8_t *newline = memchr(data, '\n', look);
    size_t used = newline ? (size_t)(newline - data) : look;
    const uint8_t *line = data;
    size_t line_size = used;
    if (t->size > 0 || (!newline && used < room)) { // it began earlier, or ends later: it is put together in the tail
      memcpy(t->data + t->size, data, used);
      t->size += used;
      line = t->data;
      line_size = t->size;
    }
    if (newline) put_line(which, line, line_size, &now);
    else if (line_size == PIECE) put_piece(which, line, line_size, &now);
    if (newline || line_size == PIECE) t->size = 0;
    used += newline ? 1 : 0;
    data += used;
    size -= used;
  }
  flush();
}

void log_end(int which) {
  struct tail *t = &tails[which];
  if (log_fd < 0 || t->size == 0) return;
  struct log_stamp now;
  take_stamp(&now);
  put_piece(which, t->data, t->size, &now);
  t->size = 0;
  flush();
}

void release_log_buffer(void) { madvise(batch, sizeof batch, MADV_DONTNEED); }
