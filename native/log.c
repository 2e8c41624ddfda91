// Docker's json-file log: one JSON object a line, {"log":…,"stream":…,"time":…}, byte for byte as dockerd writes it.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// A line longer than PIECE is written as several entries, all but the last without a newline. A byte takes at most 6 when escaped.
enum { PIECE = 16 << 10, ENTRY_EXTRA = 128, BATCH = 192 << 10, TIME_SIZE = 40 };

// The start of a line whose end has not been read yet.
struct tail {
  uint8_t data[PIECE];
  size_t size;
  bool is_continued; // pieces of this line have been written already; they carry the first one's time
  char time[TIME_SIZE];
};

static struct tail tails[2];
static uint8_t batch[BATCH] __attribute__((aligned(4096)));
static size_t batched;
static uint64_t file_size; // with what is batched
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
static void drop_torn_entry(size_t start, size_t end) {
  uint8_t *newline = end > start ? memrchr(batch + start, '\n', end - start) : NULL;
  size_t torn = end - (newline ? (size_t)(newline + 1 - batch) : start);
  struct stat st;
  if (fstat(log_fd, &st) < 0) return;
  if (torn > 0 && (uint64_t)st.st_size >= torn) ftruncate(log_fd, st.st_size - (off_t)torn);
  file_size = (uint64_t)st.st_size - torn;
}

static void flush(void) {
  size_t start = 0;
  while (start < batched) {
    ssize_t size = write(log_fd, batch + start, batched - start);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      drop_torn_entry(0, start);
      break;
    }
    start += (size_t)size;
  }
  if (batched > 8 << 10) buffers_dirty = true;
  batched = 0;
}

// <path> becomes <path>.1, .1 becomes .2 and so on; with one file only, it starts anew.
static void rotate(void) {
  flush();
  struct stat st;
  if (fstat(log_fd, &st) == 0 && (uint64_t)st.st_size < settings.log_max_size) { // somebody else has cut it
    file_size = (uint64_t)st.st_size;
    return;
  }
  char from[sizeof settings.log_path + 16], to[sizeof from];
  for (uint32_t i = settings.log_max_files; i-- > 1;) {
    snprintf(to, sizeof to, "%s.%u", settings.log_path, i);
    if (i == 1) snprintf(from, sizeof from, "%s", settings.log_path);
    else snprintf(from, sizeof from, "%s.%u", settings.log_path, i - 1);
    rename(from, to);
  }
  int fd = open_file(O_TRUNC);
  if (fd < 0) return; // goes on in the old file
  close(log_fd);
  log_fd = fd;
  file_size = 0;
}

static uint8_t *put(uint8_t *to, const char *text, size_t size) {
  memcpy(to, text, size);
  return to + size;
}
#define PUT(to, literal) put(to, literal, sizeof literal - 1)

// The size of the UTF-8 character at `s`, or 0 where there is none (overlong forms and surrogates are none).
static size_t character_size(const uint8_t *s, size_t left) {
  uint8_t lead = s[0], low = 0x80, high = 0xbf;
  size_t size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size == 0 || size > left) return 0;
  if (lead == 0xe0) low = 0xa0;
  if (lead == 0xed) high = 0x9f;
  if (lead == 0xf0) low = 0x90;
  if (lead == 0xf4) high = 0x8f;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < size; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return size;
}

static bool is_plain(uint8_t c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'; }

static uint8_t *put_escaped(uint8_t *to, const uint8_t *s, size_t size) {
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < size;) {
    size_t start = i;
    while (i < size && is_plain(s[i])) i++;
    to = put(to, (const char *)s + start, i - start);
    if (i == size) break;
    uint8_t c = s[i];
    if (c < 0x80) {
      i++;
      if (c == '"' || c == '\\') *to++ = '\\', *to++ = c;
      else if (c == '\n') to = PUT(to, "\\n");
      else if (c == '\r') to = PUT(to, "\\r");
      else to = PUT(to, "\\u00"), *to++ = (uint8_t)hex[c >> 4], *to++ = (uint8_t)hex[c & 15];
      continue;
    }
    size_t length = character_size(s + i, size - i);
    if (length == 0) to = PUT(to, "\\ufffd"), length = 1;
    else if (length == 3 && c == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] & 0xfe) == 0xa8)
      to = PUT(to, "\\u202"), *to++ = (uint8_t)hex[s[i + 2] & 15];
    else to = put(to, (const char *)s + i, length);
    i += length;
  }
  return to;
}

// RFC 3339 in UTC with nanoseconds, trailing zeros cut.
static void format_now(char text[TIME_SIZE]) {
  struct timespec now;
  struct tm utc;
  clock_gettime(CLOCK_REALTIME, &now);
  gmtime_r(&now.tv_sec, &utc);
  size_t size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
  if (now.tv_nsec > 0) {
    size += (size_t)snprintf(text + size, TIME_SIZE - size, ".%09ld", now.tv_nsec);
    while (text[size - 1] == '0') size--;
  }
  strcpy(text + size, "Z");
}

// One entry of the line `data`, which may have begun in the tail.
static void put_entry(int which, const uint8_t *data, size_t size, bool has_newline, const char *time) {
  if (settings.log_max_size > 0 && file_size >= settings.log_max_size) rotate();
  if (batched + size * 6 + ENTRY_EXTRA > sizeof batch) flush();
  uint8_t *start = batch + batched, *to = PUT(start, "{\"log\":\"");
  to = put_escaped(to, data, size);
  if (has_newline) to = PUT(to, "\\n");
  to = which == 0 ? PUT(to, "\",\"stream\":\"stdout\",\"time\":\"") : PUT(to, "\",\"stream\":\"stderr\",\"time\":\"");
  to = put(to, time, strlen(time));
  to = PUT(to, "\"}\n");
  batched += (size_t)(to - start);
  file_size += (uint64_t)(to - start);
}

static void put_line(int which, const uint8_t *data, size_t size, const char *now) {
  struct tail *t = &tails[which];
  put_entry(which, data, size, true, t->is_continued ? t->time : now);
  t->is_continued = false;
}

static void put_piece(int which, const uint8_t *data, size_t size, const char *now) {
  struct tail *t = &tails[which];
  if (!t->is_continued) strcpy(t->time, now);
  t->is_continued = true;
  put_entry(which, data, size, false, t->time);
}

void log_output(int which, const uint8_t *data, size_t size) {
  if (log_fd < 0) return;
  struct tail *t = &tails[which];
  char now[TIME_SIZE];
  format_now(now);
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
    if (newline) put_line(which, line, line_size, now);
    else if (line_size == PIECE) put_piece(which, line, line_size, now);
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
  char now[TIME_SIZE];
  format_now(now);
  put_piece(which, t->data, t->size, now);
  t->size = 0;
  flush();
}

void release_log_buffer(void) { madvise(batch, sizeof batch, MADV_DONTNEED); }
