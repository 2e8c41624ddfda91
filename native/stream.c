// Attach clients: standard input from them, output to them, a spill file for those that do not read.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LINE_LIMIT = NAME_LIMIT + 32, FRAME_HEADER = 8, WANTS_IN = 4, PUNCH_SIZE = 8 << 20 };
enum { TURN = 16 };        // reads or sends before others have their turn
enum { GOODBYE_SECONDS = 5 }; // for a client to hang up after it was told the end

struct client {
  int fd;
  struct process *p; // NULL before `attach` and after its output has ended
  bool is_open, is_attached, input_done, input_blocked, is_finished, is_watched, is_told;
  uint8_t wants; // bit 0 stdout, bit 1 stderr, bit 2 stdin
  uint8_t line_size;
  char line[LINE_LIMIT];
  uint32_t interest;
  int spill;
  uint64_t spill_start, spill_end, punched; // what of the spill file is still to be sent
  int64_t progress;                         // when something was sent last, in monotonic seconds
};
static struct client clients[CLIENT_LIMIT];

static uint64_t backlog(const struct client *c) { return c->spill_end - c->spill_start; }

static void close_client(struct client *c) {
  if (!c->is_open) return;
  // Unread input would turn the peer's end of file into ECONNRESET.
  shutdown(c->fd, SHUT_RDWR);
  uint8_t dropped[4096]; // not read_buffer: that may hold what is being delivered to the other clients
  while (recv(c->fd, dropped, sizeof dropped, MSG_DONTWAIT) > 0) continue;
  close(c->fd);
  if (c->spill >= 0) close(c->spill);
  struct process *p = c->p;
  c->is_open = false;
  c->p = NULL;
  if (p) update_pause(p);
}

static void update_interest(struct client *c);

// Everything is sent. A client that may still send is not hung up on: its next write would fail, and take with it what it has not read yet.
// It sees the end, what it sends is dropped, and it hangs up itself.
static void tell_end(struct client *c) {
  if (c->input_done || !c->is_watched) return close_client(c);
  shutdown(c->fd, SHUT_WR);
  c->is_told = true;
  c->progress = monotonic_seconds();
  update_interest(c);
}

// Asks epoll for what the client can make use of now.
static void update_interest(struct client *c) {
  if (!c->is_open || !c->is_watched) return;
  uint32_t wanted = (c->input_done || c->input_blocked ? 0 : EPOLLIN) | (backlog(c) ? EPOLLOUT : 0);
  if (wanted != c->interest) rewatch(c->fd, wanted, ON_CLIENT, (uint32_t)(c - clients));
  c->interest = wanted;
}

static int door = -1;

int watch_clients(int listener) {
  door = listener;
  return door < 0 ? 0 : watch(door, EPOLLIN, ON_STREAM_LISTENER, 0);
}

bool accept_client(void) {
  int fd = door < 0 ? -1 : accept_from(door);
  if (fd < 0) return false;
  for (int i = 0; i < CLIENT_LIMIT; i++) {
    struct client *c = &clients[i];
    if (c->is_open) continue;
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->spill = -1;
    c->interest = EPOLLIN;
    if (watch(fd, EPOLLIN, ON_CLIENT, (uint32_t)i) < 0) break;
    c->is_open = c->is_watched = true;
    return true;
  }
  close(fd);
  return true;
}

// ---- output

static void drain_spill(struct client *c) {
  for (int i = 0; backlog(c) && i < TURN; i++) {
    // By copy: sendfile(2) would lend the file's pages to the socket, and the next bytes spilled would be written over them.
    size_t size = backlog(c) < sizeof read_buffer ? backlog(c) : sizeof read_buffer;
    ssize_t sent = pread(c->spill, read_buffer, size, (off_t)c->spill_start);
    buffers_dirty = true;
    if (sent > 0) sent = send(c->fd, read_buffer, (size_t)sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) {
      c->spill_start = c->spill_end = 0; // the hangup that follows closes it
      c->wants &= WANTS_IN;
      break;
    }
    c->spill_start += (uint64_t)sent;
    c->progress = monotonic_seconds();
  }
  if (!backlog(c) && c->spill >= 0) {
    if (c->spill_end > PUNCH_SIZE) ftruncate(c->spill, 0);
    c->spill_start = c->spill_end = c->punched = 0;
  } else if (c->spill_start - c->punched > PUNCH_SIZE) { // gives back what has been sent
    fallocate(c->spill, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)c->punched, (off_t)(c->spill_start - c->punched));
    c->punched = c->spill_start;
  }
}

// Appends to the spill file; false where that is impossible: then the client would miss bytes, and is better cut off.
static bool spill(struct client *c, struct iovec parts[2], size_t skip) {
  if (c->spill < 0) c->spill = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (c->spill < 0) c->spill = memfd_create("spill", MFD_CLOEXEC);
  if (c->spill < 0) return false;
  bool was_over = backlog(c) > settings.spill_max;
  for (int i = 0; i < 2; i++) {
    size_t passed = skip < parts[i].iov_len ? skip : parts[i].iov_len, size = parts[i].iov_len - passed;
    skip -= passed;
    if (size == 0) continue;
    if (pwrite(c->spill, (uint8_t *)parts[i].iov_base + passed, size, (off_t)c->spill_end) != (ssize_t)size) return false;
    c->spill_end += size;
  }
  if (!was_over && backlog(c) > settings.spill_max) c->progress = monotonic_seconds();
  return true;
}

static void send_output(struct client *c, int which, const uint8_t *data, size_t size) {
  uint8_t frame[FRAME_HEADER] = {(uint8_t)(which + 1), 0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
  struct iovec parts[2] = {{frame, c->p->terminal ? 0 : sizeof frame}, {(void *)data, size}};
  ssize_t sent = 0;
  if (!backlog(c)) {
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    sent = sendmsg(c->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      c->wants &= WANTS_IN;
      return;
    }
    if (sent < 0) sent = 0;
  }
  if ((size_t)sent < parts[0].iov_len + size && !spill(c, parts, (size_t)sent)) close_client(c);
  update_interest(c);
}

void deliver(struct process *p, int which, const uint8_t *data, size_t size) {
  uint8_t bit = p->terminal ? 3 : (uint8_t)(1 << which);
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (clients[i].is_open && clients[i].p == p && (clients[i].wants & bit)) send_output(&clients[i], which, data, size);
  update_pause(p);
}

// A client that is behind by more than the spill file may hold stops the process's output until it reads, or is cut off.
static bool is_holding(const struct client *c) { return c->is_open && backlog(c) > settings.spill_max; }

void update_pause(struct process *p) {
  bool is_held = false;
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (clients[i].p == p && is_holding(&clients[i])) is_held = true;
  if (is_held == p->paused) return;
  p->paused = is_held;
  update_output(p);
}

void finish_clients(struct process *p) {
  for (int i = 0; i < CLIENT_LIMIT; i++) {
    struct client *c = &clients[i];
    if (!c->is_open || c->p != p) continue;
    c->p = NULL;
    c->is_finished = true;
    c->input_blocked = false;
    c->progress = monotonic_seconds();
    if (!backlog(c) || !c->is_watched) tell_end(c);
    else update_interest(c);
  }
}

static bool is_timed(const struct client *c) { return c->is_open && (c->is_told || (backlog(c) && (c->is_finished || is_holding(c)))); }

static int64_t deadline_of(const struct client *c) { return c->progress + (c->is_told ? GOODBYE_SECONDS : settings.stall_seconds); }

bool clients_pending(void) {
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (clients[i].is_open && clients[i].is_finished) return true;
  return false;
}

int64_t clients_deadline(void) {
  int64_t first = INT64_MAX;
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (is_timed(&clients[i]) && deadline_of(&clients[i]) < first) first = deadline_of(&clients[i]);
  return first;
}

void check_stalled(int64_t now) {
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (is_timed(&clients[i]) && deadline_of(&clients[i]) <= now) close_client(&clients[i]);
}

// ---- input

void close_input(struct process *p) {
  p->stdin_closed = true;
  close_source(p);
  if (p->in < 0) return;
  if (p->in_watched) unwatch(p->in);
  p->in_watched = false;
  close(p->in);
  p->in = -1;
}

static void end_input(struct client *c) {
  c->input_done = true;
  struct process *p = c->p;
  // A terminal has no end of input of its own: its user types one.
  if (!p || !(c->wants & WANTS_IN) || p->terminal || (!settings.stdin_once && p == &processes[0])) return;
  close_input(p);
  tell_input_end(p);
}

void await_input(struct process *p) {
  if (p->in >= 0 && !p->in_watched) p->in_watched = watch(p->in, EPOLLOUT, ON_IN, (uint32_t)(p - processes)) == 0;
}

static void block_input(struct client *c) {
  c->input_blocked = true;
  await_input(c->p);
}

// From the client's socket to the process, as much as both can take. Bytes leave the socket only once they are written. A client that
// never stops sending has its turn, like everyone; one that has hung up has only what its socket holds, and no other turn to come.
static void pump_input(struct client *c, bool is_last) {
  c->input_blocked = false;
  for (int i = 0; !c->input_done && (is_last || i < TURN); i++) {
    struct process *p = c->p;
    bool is_wanted = p && (c->wants & WANTS_IN) && !p->stdin_closed && (p->terminal || p->want_stdin);
    if (is_wanted && p->in < 0) { // its terminal is still to come
      block_input(c);
      break;
    }
    ssize_t size = recv(c->fd, read_buffer, sizeof read_buffer, MSG_DONTWAIT | (is_wanted ? MSG_PEEK : 0));
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) end_input(c);
    if (size <= 0 || !is_wanted) continue;
    buffers_dirty = true;
    ssize_t written = write(p->in, read_buffer, (size_t)size);
    if (written < 0 && errno == EAGAIN) {
      block_input(c);
      break;
    }
    if (written < 0) close_input(p); // nobody reads it any more: the rest is dropped
    else recv(c->fd, read_buffer, (size_t)written, MSG_DONTWAIT);
  }
  if (c->input_done && (c->is_told || !c->is_watched)) close_client(c); // it has hung up
  update_interest(c);
}

void on_input_ready(struct process *p) {
  if (p->in_watched) unwatch(p->in);
  p->in_watched = false;
  if (!flush_source(p)) return await_input(p);
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (clients[i].is_open && clients[i].p == p && clients[i].input_blocked) pump_input(&clients[i], !clients[i].is_watched);
}

// ---- attach <process> <flags>

static void refuse_client(struct client *c, int error) {
  char text[32];
  int size = snprintf(text, sizeof text, "error %d\n", error);
  send(c->fd, text, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
  close_client(c);
}

static void attach(struct client *c) {
  c->line[c->line_size - 1] = 0; // the newline
  char *name = c->line + sizeof "attach " - 1, *flags = strchr(name, ' ');
  if (strncmp(c->line, "attach ", sizeof "attach " - 1) != 0 || !flags) return refuse_client(c, EPROTO);
  *flags++ = 0;
  for (; *flags; flags++) {
    if (*flags == 'o') c->wants |= 1;
    else if (*flags == 'e') c->wants |= 2;
    else if (*flags == 'i') c->wants |= WANTS_IN;
    else return refuse_client(c, EPROTO);
  }
  struct process *p = find_process(name, strlen(name));
  if (!p) return refuse_client(c, ENOENT);
  if (p->state == EXITED && output_ended(p)) return refuse_client(c, ESRCH);
  const char *answer = p->terminal ? "ok raw\n" : "ok framed\n";
  send(c->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
  c->is_attached = true;
  c->p = p;
}

// Reads up to the newline, not a byte beyond: what follows is standard input.
static void read_line(struct client *c) {
  char *at = c->line + c->line_size;
  ssize_t size = recv(c->fd, at, sizeof c->line - c->line_size, MSG_DONTWAIT | MSG_PEEK);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return close_client(c);
  char *newline = memchr(at, '\n', (size_t)size);
  size = recv(c->fd, at, newline ? (size_t)(newline - at + 1) : (size_t)size, MSG_DONTWAIT);
  if (size <= 0) return close_client(c);
  c->line_size = (uint8_t)(c->line_size + size);
  if (newline) attach(c);
  else if (c->line_size == sizeof c->line) refuse_client(c, EPROTO);
}

// Who has asked before a start was asked for is attached before it: he has sent his line, whether or not we were told of it yet.
void hear_clients(void) {
  for (int i = 0; i < CLIENT_LIMIT && accept_client(); i++) continue;
  for (int i = 0; i < CLIENT_LIMIT; i++)
    if (clients[i].is_open && !clients[i].is_attached) read_line(&clients[i]);
}

void on_client(int index, uint32_t events) {
  struct client *c = &clients[index];
  if (!c->is_open) return;
  if (events & EPOLLOUT) drain_spill(c);
  if (c->is_finished && !c->is_told && !backlog(c)) tell_end(c);
  if (c->p && (events & EPOLLOUT)) update_pause(c->p);
  if (!c->is_attached && (events & (EPOLLIN | EPOLLHUP))) read_line(c);
  if (c->is_open && c->is_attached && (events & (EPOLLIN | EPOLLHUP)) && !c->input_blocked) pump_input(c, (events & EPOLLHUP) != 0);
  if (c->is_open && (events & (EPOLLHUP | EPOLLERR))) {
    // Gone for good. What it has sent before still goes to the process, as far as that reads.
    c->spill_start = c->spill_end = 0;
    c->wants &= WANTS_IN;
    if (!c->input_blocked) return close_client(c);
    unwatch(c->fd);
    c->is_watched = false;
    if (c->p) update_pause(c->p);
  }
  update_interest(c);
}
