// The control socket: frames in, answers and events out. A connection that breaks the protocol is told so and closed.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VERSION = 1, HEADER = 8, REQUEST_LIMIT = 64 << 10, ANSWER_LIMIT = 256, LITTLE = 4 << 10 };
enum frame_type {
  HELLO = 1, START, ADD, KILL, RESIZE, CLOSE_STDIN, STATE, REMOVE, SHUTDOWN, PROCEED, STARTED,
  OK = 16, ERROR, PROCESS, SYNC, INPUT_END,
};
#define GIVE_UP 0xffffffffu
struct connection {
  int fd;
  bool is_open, is_dirty; // dirty: more than the first page of its input was used
  size_t size;
};
static struct connection connections[CONTROL_LIMIT];
static uint8_t inputs[CONTROL_LIMIT][(HEADER + REQUEST_LIMIT + 4095) & ~4095] __attribute__((aligned(4096)));

struct answer {
  uint8_t bytes[ANSWER_LIMIT];
  size_t size;
};

static void put_number(struct answer *a, uint64_t value, int size) {
  for (int i = 0; i < size; i++) a->bytes[a->size++] = (uint8_t)(value >> (8 * i));
}

static void begin(struct answer *a, enum frame_type type, uint16_t request) {
  a->size = 0;
  put_number(a, 0, 4);
  put_number(a, type, 2);
  put_number(a, request, 2);
}

static int index_of(const struct connection *k) { return (int)(k - connections); }

static void close_connection(struct connection *k) {
  if (!k->is_open) return;
  close(k->fd);
  k->is_open = false;
  int index = index_of(k);
  drop_kept(index);
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (processes[i].state != FREE && processes[i].waiter == index) processes[i].waiter = -1;
  if (control_count() > 0) return;
  for (int i = 0; i < PROCESS_LIMIT; i++) // with nobody left to let it proceed
    if (processes[i].state != FREE && processes[i].sync_point) give_up(&processes[i]);
}

static void send_parts(const struct connection *k, const struct iovec *parts, size_t count) {
  if (k->is_open) send_or_keep(index_of(k), k->fd, parts, count);
}

static void put_size(struct answer *a, size_t size) {
  for (int i = 0; i < 4; i++) a->bytes[i] = (uint8_t)(size >> (8 * i));
}

static void send_answer(struct connection *k, struct answer *a) {
  put_size(a, a->size - HEADER);
  send_parts(k, &(struct iovec){a->bytes, a->size}, 1);
}

static void send_ok(struct connection *k, uint16_t request, bool has_pid, uint32_t pid) {
  struct answer a;
  begin(&a, OK, request);
  if (has_pid) put_number(&a, pid, 4);
  send_answer(k, &a);
}

static void send_error(struct connection *k, uint16_t request, uint32_t error) {
  struct answer a;
  begin(&a, ERROR, request);
  put_number(&a, NO_STEP, 4);
  put_number(&a, error, 4);
  send_answer(k, &a);
}

static void send_failure(struct connection *k, uint16_t request, const struct failure *failure) {
  struct answer a;
  begin(&a, ERROR, request);
  put_number(&a, failure->step, 4);
  put_number(&a, failure->error, 4);
  put_size(&a, a.size - HEADER + failure->report_size);
  send_parts(k, (struct iovec[]){{a.bytes, a.size}, {(void *)failure->report, failure->report_size}}, 2);
}

static void put_name(struct answer *a, const struct process *p) {
  size_t size = strlen(p->name);
  put_number(a, size, 2);
  memcpy(a->bytes + a->size, p->name, size);
  a->size += size;
}

static void send_sync(struct connection *k, const struct process *p) {
  struct answer a;
  begin(&a, SYNC, 0);
  put_name(&a, p);
  put_number(&a, p->sync_point, 4);
  put_number(&a, p->sync_value, 4);
  put_number(&a, (uint32_t)p->pid, 4);
  send_answer(k, &a);
}

static void send_process(struct connection *k, uint16_t request, const struct process *p) {
  struct answer a;
  bool is_exited = p->state == EXITED;
  begin(&a, PROCESS, request);
  put_name(&a, p);
  put_number(&a, is_exited ? 2 : p->state == RUNNING ? 1 : 0, 1);
  put_number(&a, (uint32_t)p->pid, 4);
  put_number(&a, is_exited ? p->code : 0, 4);
  put_number(&a, is_exited ? (uint64_t)p->exit_seconds : 0, 8);
  put_number(&a, is_exited ? p->exit_nanoseconds : 0, 4);
  send_answer(k, &a);
}

static bool has_input_ended(const struct process *p) { return p->is_relay && p->stdin_closed && p->state != EXITED; }

static void send_input_end(struct connection *k, const struct process *p) {
  struct answer a;
  begin(&a, INPUT_END, 0);
  put_name(&a, p);
  send_answer(k, &a);
}

void accept_control(int listener) {
  int fd = accept_from(listener);
  if (fd < 0) return;
  int index = 0;
  while (index < CONTROL_LIMIT && connections[index].is_open) index++;
  if (index == CONTROL_LIMIT || watch(fd, EPOLLIN, ON_CONTROL, (uint32_t)index) < 0) {
    close(fd);
    return;
  }
  struct connection *k = &connections[index];
  k->fd = fd;
  k->is_open = true;
  k->size = 0;
  struct answer a;
  begin(&a, HELLO, 0);
  put_number(&a, VERSION, 2);
  put_number(&a, (uint32_t)getpid(), 4);
  send_answer(k, &a);
  for (int i = 0; i < PROCESS_LIMIT; i++) {
    struct process *p = &processes[i];
    if (p->state == FREE) continue;
    if (p->listed) send_process(k, 0, p);
    if (has_input_ended(p)) send_input_end(k, p);
    if (!p->sync_point) continue;
    p->sync_deadline = 0;
    send_sync(k, p);
  }
  if (init_failure.error) send_failure(k, 0, &init_failure);
}

void tell_process(const struct process *p) {
  for (int i = 0; i < CONTROL_LIMIT; i++) send_process(&connections[i], 0, p);
}

void tell_input_end(const struct process *p) {
  for (int i = 0; i < CONTROL_LIMIT && has_input_ended(p); i++) send_input_end(&connections[i], p);
}

void tell_sync(const struct process *p) {
  for (int i = 0; i < CONTROL_LIMIT; i++) send_sync(&connections[i], p);
}

void tell_init_failure(void) {
  for (int i = 0; i < CONTROL_LIMIT; i++) send_failure(&connections[i], 0, &init_failure);
}

void answer_ok(struct process *p, uint32_t pid) {
  if (p->waiter >= 0) send_ok(&connections[p->waiter], p->request, true, pid);
  p->waiter = -1;
}

void answer_failure(struct process *p, const struct failure *failure) {
  if (p->waiter >= 0) send_failure(&connections[p->waiter], p->request, failure);
  p->waiter = -1;
}

int control_count(void) {
  int count = 0;
  for (int i = 0; i < CONTROL_LIMIT; i++) count += connections[i].is_open;
  return count;
}

void close_controls(void) {
  for (int i = 0; i < CONTROL_LIMIT; i++) close_connection(&connections[i]);
}

void release_control_buffers(void) {
  for (int i = 0; i < CONTROL_LIMIT; i++) {
    struct connection *k = &connections[i];
    if (!k->is_dirty || (k->is_open && k->size > 0)) continue;
    madvise(inputs[i], sizeof inputs[i], MADV_DONTNEED);
    k->is_dirty = false;
  }
}

// ---- requests: each gives 0 where it has answered or will, or an errno to answer with

struct request {
  struct connection *from;
  uint16_t number;
  struct cursor c;
};

static int answer_with_ok(struct request *r) {
  send_ok(r->from, r->number, false, 0);
  return 0;
}

static int answer_later(struct request *r, struct process *p) {
  p->waiter = index_of(r->from);
  p->request = r->number;
  return 0;
}

static int add(struct request *r, const char *name, size_t size) {
  char path[4096];
  uint16_t path_size;
  const uint8_t *bytes = take_short(&r->c, &path_size);
  if (!bytes || path_size >= sizeof path) return EPROTO;
  memcpy(path, bytes, path_size);
  path[path_size] = 0;
  if (!is_name(name, size)) return EINVAL;
  if (find_process(name, size)) return EEXIST;
  if (processes[0].state < CREATED || processes[0].state == EXITED) return ESRCH;
  struct process *p = NULL;
  for (int i = 1; i < PROCESS_LIMIT && !p; i++)
    if (processes[i].state == FREE) p = &processes[i];
  if (!p) return EAGAIN;
  struct plan_file plan;
  int error = open_plan(path, &plan);
  if (error) return error;
  memcpy(p->name, name, size);
  p->name[size] = 0;
  error = make_process(p, &plan);
  close_plan(&plan);
  if (error) return error;
  answer_later(r, p);
  if (p->is_relay) process_is_made(p, CREATED);
  return 0;
}

static int start(struct request *r, struct process *p) {
  uint32_t size = 0;
  const uint8_t *state = r->c.at < r->c.end ? take_bytes(&r->c, &size) : NULL;
  if (r->c.bad) return EPROTO;
  if (p->state != CREATED) return p->state == EXITED ? ESRCH : EALREADY;
  if (p->is_command || p->is_relay) return EINVAL; // its runtime starts it
  int error = send_word(p, state, size);
  if (error) return error;
  p->state = STARTING;
  return answer_later(r, p);
}

static int proceed(struct request *r, struct process *p) {
  struct cursor peek = r->c;
  bool is_refusal = take_u32(&peek) == GIVE_UP && !peek.bad;
  uint32_t size = 0;
  const uint8_t *state = is_refusal ? NULL : take_bytes(&r->c, &size);
  if (r->c.bad) return EPROTO;
  if (!p->sync_point) return EALREADY;
  p->sync_point = 0;
  int error = is_refusal ? 0 : send_word(p, state, size);
  if (is_refusal) give_up(p);
  return error ? error : answer_with_ok(r);
}

// It may have ended before we are told that it began.
static int started(struct request *r, struct process *p) {
  if (!p->is_command && !p->is_relay) return EINVAL;
  if (p->state == CREATED) {
    p->state = RUNNING;
    tell_process(p);
  }
  return p->state == RUNNING || p->state == EXITED ? answer_with_ok(r) : EALREADY;
}

static int resize(struct request *r, struct process *p) {
  uint16_t rows = take_u16(&r->c), columns = take_u16(&r->c);
  if (r->c.bad) return EPROTO;
  if (!p->terminal) return ENOTTY;
  if (p->out[0] < 0) return ESRCH;
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  return ioctl(p->out[0], TIOCSWINSZ, &size) < 0 ? errno : answer_with_ok(r);
}

static int send_signal(struct request *r, struct process *p) {
  uint32_t signal = take_u32(&r->c);
  int error = r->c.bad ? EPROTO : kill_process(p, (int)signal);
  return error ? error : answer_with_ok(r);
}

// With a FIFO, what is in it comes first, and other writers may still write.
static int close_stdin(struct request *r, struct process *p) {
  if (p->source[0] >= 0) release_source(p);
  else if (!p->terminal) close_input(p);
  return answer_with_ok(r);
}

static int remove_exec(struct request *r, struct process *p) {
  if (p == &processes[0]) return EINVAL;
  if (p->state != EXITED && p->is_relay) end_relay(p);
  if (p->state != EXITED) return EBUSY;
  if (p->removal_deadline) return EALREADY;
  p->removal_deadline = monotonic_seconds() + STRAGGLER_SECONDS;
  answer_later(r, p);
  if (!has_more_for_sinks(p)) end_removal(p);
  return 0;
}

void end_removal(struct process *p) {
  unlink(record_name(p, "exit-"));
  if (p->waiter >= 0) send_ok(&connections[p->waiter], p->request, false, 0);
  p->waiter = -1;
  p->removal_deadline = 0;
  forget_process(p);
}

static int handle(struct request *r, uint16_t type) {
  if (type == SHUTDOWN) {
    answer_with_ok(r);
    begin_shutdown();
    return 0;
  }
  if (type < START || type > STARTED) return ENOSYS;
  uint16_t size;
  const char *name = (const char *)take_short(&r->c, &size);
  if (!name) return EPROTO;
  if (type == ADD) return add(r, name, size);
  struct process *p = find_process(name, size);
  if (!p) return ENOENT;
  switch (type) {
  case START: hear_clients(); return start(r, p);
  case KILL: return send_signal(r, p);
  case RESIZE: return resize(r, p);
  case CLOSE_STDIN: return close_stdin(r, p);
  case REMOVE: return remove_exec(r, p);
  case PROCEED: return proceed(r, p);
  case STARTED: return started(r, p);
  default: send_process(r->from, r->number, p); return 0; // STATE
  }
}

// How much may be read: a little, unless the request at hand is longer, so that most connections use no more than a page.
static size_t room_of(const struct connection *k, const uint8_t *input) {
  struct cursor header = {input, input + k->size, false};
  size_t length = k->size >= HEADER ? HEADER + take_u32(&header) : 0;
  return (length > LITTLE ? length : LITTLE) - k->size;
}

void on_control(int index, uint32_t events) {
  struct connection *k = &connections[index];
  uint8_t *input = inputs[index];
  if (!k->is_open) return;
  if (events & EPOLLOUT) send_kept(index, k->fd);
  ssize_t size = recv(k->fd, input + k->size, room_of(k, input), MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return close_connection(k);
  k->size += (size_t)size;
  if (k->size > LITTLE) k->is_dirty = buffers_dirty = true;
  size_t at = 0;
  while (k->is_open && k->size - at >= HEADER) {
    struct cursor header = {input + at, input + at + HEADER, false};
    uint32_t length = take_u32(&header);
    uint16_t type = take_u16(&header), number = take_u16(&header);
    if (length > REQUEST_LIMIT) {
      send_error(k, number, EMSGSIZE);
      return close_connection(k);
    }
    if (k->size - at < HEADER + length) break;
    const uint8_t *payload = input + at + HEADER;
    struct request request = {k, number, {payload, payload + length, false}};
    int error = handle(&request, type);
    if (error) send_error(k, number, (uint32_t)error);
    at += HEADER + length;
  }
  if (!k->is_open) return;
  memmove(input, input + at, k->size - at);
  k->size -= at;
}
