// Stream paths: the FIFO that standard input is read from, FIFOs and files that output is copied to.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUT }; // place of standard input in `held`; the outputs' follow
enum { READER, WRITER };

static uint8_t held[PROCESS_LIMIT][3][HELD_SIZE] __attribute__((aligned(4096)));
static bool held_dirty[PROCESS_LIMIT];

static uint32_t index_of(const struct process *p) { return (uint32_t)(p - processes); }

static void hold(struct process *p, int place, const uint8_t *data, size_t size) {
  memcpy(held[index_of(p)][place], data, size);
  p->held_at[place] = 0;
  p->held[place] = (uint16_t)size;
  held_dirty[index_of(p)] = buffers_dirty = true;
}

// Writes what is held; false where some still is. What cannot be written at all is dropped.
static bool flush(struct process *p, int place, int fd) {
  while (p->held[place] > 0) {
    ssize_t size = write(fd, held[index_of(p)][place] + p->held_at[place], p->held[place]);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return false;
    if (size < 0) size = p->held[place];
    p->held_at[place] = (uint16_t)(p->held_at[place] + size);
    p->held[place] = (uint16_t)(p->held[place] - size);
  }
  return true;
}

void release_held_buffers(void) {
  for (int i = 0; i < PROCESS_LIMIT; i++) {
    const struct process *p = &processes[i];
    if (!held_dirty[i] || (p->state != FREE && (p->held[0] || p->held[1] || p->held[2]))) continue;
    madvise(held[i], sizeof held[i], MADV_DONTNEED);
    held_dirty[i] = false;
  }
}

// ---- standard input

// We hold its other end too, so that a client that goes away is no end of input; `close-stdin` lets go of it.
static int open_source(struct process *p, const char *path) {
  struct stat st;
  p->source[READER] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (p->source[READER] < 0 || fstat(p->source[READER], &st) < 0) return errno;
  if (!S_ISFIFO(st.st_mode)) return EINVAL;
  p->source[WRITER] = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return p->source[WRITER] < 0 ? errno : 0;
}

void release_source(struct process *p) {
  if (p->source[WRITER] >= 0) close(p->source[WRITER]);
  p->source[WRITER] = -1;
}

void close_source(struct process *p) {
  release_source(p);
  p->held[INPUT] = 0;
  if (p->source[READER] < 0) return;
  if (p->source_watched) unwatch(p->source[READER]);
  p->source_watched = false;
  close(p->source[READER]);
  p->source[READER] = -1;
}

void update_source(struct process *p) {
  bool is_wanted = p->source[READER] >= 0 && p->in >= 0 && p->held[INPUT] == 0;
  if (is_wanted == p->source_watched) return;
  if (is_wanted) watch(p->source[READER], EPOLLIN, ON_SOURCE, index_of(p));
  else unwatch(p->source[READER]);
  p->source_watched = is_wanted;
}

bool flush_source(struct process *p) {
  if (p->in < 0) p->held[INPUT] = 0;
  else if (!flush(p, INPUT, p->in)) return false;
  update_source(p);
  return true;
}

// A read of nothing is the end only with a hangup: no writer may have come yet. A terminal has no end of input of its own.
void on_source(struct process *p, uint32_t events) {
  if (p->source[READER] < 0) return;
  ssize_t size = read(p->source[READER], read_buffer, HELD_SIZE);
  if (size > 0) {
    hold(p, INPUT, read_buffer, (size_t)size);
    if (!flush_source(p)) await_input(p);
    update_source(p);
  } else if (size == 0 ? (events & EPOLLHUP) != 0 : errno != EAGAIN && errno != EINTR) {
    close_source(p);
    if (!p->terminal) close_input(p);
  }
}

// ---- output

// Opened for reading too, so that a missing reader is no error; a FIFO is not made here, hence first without O_CREAT, which some
// FIFOs of others refuse (fs.protected_fifos).
static int open_sink(struct process *p, int which, const char *path) {
  int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, fd = open(path, flags);
  if (fd < 0 && errno == ENOENT) fd = open(path, flags | O_CREAT, 0644);
  struct stat st;
  if (fd < 0) return errno;
  p->sink[which] = fd;
  if (fstat(fd, &st) < 0) return errno;
  p->sink_is_file[which] = S_ISREG(st.st_mode);
  return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) ? 0 : EINVAL;
}

int open_paths(struct process *p, const char *const paths[3]) {
  int error = *paths[0] ? open_source(p, paths[0]) : 0;
  for (int i = 0; i < 2 && !error; i++)
    if (*paths[1 + i] && !(p->terminal && i == 1)) error = open_sink(p, i, paths[1 + i]);
  return error;
}

bool is_sink_full(const struct process *p, int which) { return p->held[1 + which] > 0; }

bool has_more_for_sinks(const struct process *p) {
  return (p->sink[0] >= 0 && p->out[0] >= 0) || (p->sink[1] >= 0 && p->out[1] >= 0);
}

static enum event_kind kind_of(int which) { return which == 0 ? ON_SINK_OUT : ON_SINK_ERR; }

// A file's disk may be full: what it does not take is lost, and the container goes on. A FIFO's reader may be slow: that is waited for.
void copy_to_sink(struct process *p, int which, const uint8_t *data, size_t size) {
  int fd = p->sink[which];
  while (fd >= 0 && size > 0) {
    ssize_t written = write(fd, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (p->sink_is_file[which] || errno != EAGAIN || watch(fd, EPOLLOUT, kind_of(which), index_of(p)) < 0)) return;
    if (written < 0) return hold(p, 1 + which, data, size);
    data += written;
    size -= (size_t)written;
  }
}

// The reader has made room.
void on_sink(struct process *p, int which) {
  if (!is_sink_full(p, which) || !flush(p, 1 + which, p->sink[which])) return;
  unwatch(p->sink[which]);
  update_output(p);
  if (!(p->ending & (1 << which))) return;
  drain_stream(p, which);
  if (!is_sink_full(p, which) || p->late[which] > DRAIN_LIMIT) close_output(p, which);
  settle_end(p);
}

void close_sink(struct process *p, int which) {
  if (p->sink[which] < 0) return;
  if (is_sink_full(p, which)) unwatch(p->sink[which]);
  p->held[1 + which] = 0;
  close(p->sink[which]);
  p->sink[which] = -1;
}
