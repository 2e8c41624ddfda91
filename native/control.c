// The control socket: frames in, answers and events out. A connection that breaks the protocol is told so and closed.
#define _GNU_SOURCE
#include "shim.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { VERSION = 1, HEADER = 8, REQUEST_LIMIT = 8 << 10 /* the longest request is a name and a path */, ANSWER_LIMIT = 256 };
enum frame_type {
  HELLO = 1, START, ADD, KILL, RESIZE, CLOSE_STDIN, STATE, REMOVE, SHUTDOWN,
  OK = 16, ERROR, PROCESS,
};

struct connection {
  int fd;
  bool is_open;
  size_t size;
  uint8_t input[HEADER + REQUEST_LIMIT];
};
static struct connection connections[CONTROL_LIMIT];

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

static void close_connection(struct connection *k) {
  if (!k->is_open) return;
  close(k->fd);
  k->is_open = false;
  int index = (int)(k - connections);
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (processes[i].state != FREE && processes[i].waiter == index) processes[i].waiter = -1;
}

// A daemon that does not take its few bytes has hung up or is stopped; it connects again and is told the states.
static void send_answer(struct connection *k, struct answer *a) {
  if (!k->is_open) return;
  uint32_t size = (uint32_t)a->size - HEADER;
  for (int i = 0; i < 4; i++) a->bytes[i] = (uint8_t)(size >> (8 * i));
  if (send(k->fd, a->bytes, a->size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)a->size) shutdown(k->fd, SHUT_RDWR);
}

static void send_ok(struct connection *k, uint16_t request, bool has_pid, uint32_t pid) {
  struct answer a;
  begin(&a, OK, request);
  if (has_pid) put_number(&a, pid, 4);
  send_answer(k, &a);
}

static void send_error(struct connection *k, uint16_t request, uint32_t step, uint32_t error) {
  struct answer a;
  begin(&a, ERROR, request);
  put_number(&a, step, 4);
  put_number(&a, error, 4);
  send_answer(k, &a);
}

static void send_process(struct connection *k, uint16_t request, const struct process *p) {
  struct answer a;
  bool is_exited = p->state == EXITED;
  size_t size = strlen(p->name);
  begin(&a, PROCESS, request);
  put_number(&a, size, 2);
  memcpy(a.bytes + a.size, p->name, size);
  a.size += size;
  put_number(&a, is_exited ? 2 : p->state == RUNNING ? 1 : 0, 1);
  put_number(&a, (uint32_t)p->pid, 4);
  put_number(&a, is_exited ? p->code : 0, 4);
  put_number(&a, is_exited ? (uint64_t)p->exit_seconds : 0, 8);
  put_number(&a, is_exited ? p->exit_nanoseconds : 0, 4);
  send_answer(k, &a);
}

void accept_control(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (processes[i].state != FREE && processes[i].listed) send_process(k, 0, &processes[i]);
  if (init_failure[1]) send_error(k, 0, init_failure[0], init_failure[1]);
}

void tell_process(const struct process *p) {
  for (int i = 0; i < CONTROL_LIMIT; i++) send_process(&connections[i], 0, p);
}

void tell_init_failure(void) {
  for (int i = 0; i < CONTROL_LIMIT; i++) send_error(&connections[i], 0, init_failure[0], init_failure[1]);
}

void answer_ok(struct process *p, uint32_t pid) {
  if (p->waiter >= 0) send_ok(&connections[p->waiter], p->request, true, pid);
  p->waiter = -1;
}

void answer_error(struct process *p, uint32_t step, uint32_t error) {
  if (p->waiter >= 0) send_error(&connections[p->waiter], p->request, step, error);
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

// ---- requests: each gives 0 where it has answered or will, or an errno to answer with

static int add(struct connection *k, uint16_t request, const char *name, size_t size, const char *plan_path) {
  if (!is_name(name, size)) return EINVAL;
  if (find_process(name, size)) return EEXIST;
  if (processes[0].state != RUNNING) return ESRCH;
  struct process *p = NULL;
  for (int i = 1; i < PROCESS_LIMIT && !p; i++)
    if (processes[i].state == FREE) p = &processes[i];
  if (!p) return EAGAIN;
  struct plan_file plan;
  struct process_plan process_plan;
  int error = open_plan(plan_path, &plan);
  if (error) return error;
  error = plan.has_settings ? EPROTO : take_process_plan(&plan.cursor, &process_plan);
  if (!error) {
    memcpy(p->name, name, size);
    p->name[size] = 0;
    error = spawn_process(p, &process_plan, -1);
  }
  close_plan(&plan);
  if (error) return error;
  p->waiter = (int)(k - connections);
  p->request = request;
  return 0;
}

static int start(struct connection *k, uint16_t request, struct process *p) {
  if (p->state != CREATED) return p->state == EXITED ? ESRCH : EALREADY;
  if (send(p->channel, "s", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) return ESRCH;
  p->state = STARTING;
  p->waiter = (int)(k - connections);
  p->request = request;
  return 0;
}

static int resize(struct process *p, uint16_t rows, uint16_t columns) {
  if (!p->terminal) return ENOTTY;
  if (p->out[0] < 0) return ESRCH;
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  return ioctl(p->out[0], TIOCSWINSZ, &size) < 0 ? errno : 0;
}

static int remove_exec(struct process *p) {
  if (p == &processes[0]) return EINVAL;
  if (p->state != EXITED) return EBUSY;
  unlink(record_name(p, "exit-"));
  forget_process(p);
  return 0;
}

static void handle(struct connection *k, uint16_t type, uint16_t request, struct cursor c) {
  if (type == SHUTDOWN) {
    send_ok(k, request, false, 0);
    begin_shutdown();
    return;
  }
  if (type < START || type > SHUTDOWN) return send_error(k, request, NO_STEP, ENOSYS);
  uint16_t size = take_u16(&c);
  const char *name = (const char *)c.at;
  if (size > c.end - c.at) return send_error(k, request, NO_STEP, EPROTO);
  c.at += size;
  int error;
  if (type == ADD) {
    char path[4096];
    uint16_t path_size = take_u16(&c);
    if (c.bad || path_size >= sizeof path || path_size > c.end - c.at) return send_error(k, request, NO_STEP, EPROTO);
    memcpy(path, c.at, path_size);
    path[path_size] = 0;
    error = add(k, request, name, size, path);
    if (error) send_error(k, request, NO_STEP, (uint32_t)error);
    return;
  }
  struct process *p = find_process(name, size);
  if (!p) return send_error(k, request, NO_STEP, ENOENT);
  uint32_t signal = type == KILL ? take_u32(&c) : 0;
  uint16_t rows = type == RESIZE ? take_u16(&c) : 0, columns = type == RESIZE ? take_u16(&c) : 0;
  if (c.bad) return send_error(k, request, NO_STEP, EPROTO);
  if (type == STATE) return send_process(k, request, p);
  if (type == START) {
    error = start(k, request, p);
    if (error) send_error(k, request, NO_STEP, (uint32_t)error);
    return;
  }
  error = type == KILL ? kill_process(p, (int)signal) : type == RESIZE ? resize(p, rows, columns) : type == REMOVE ? remove_exec(p) : 0;
  if (type == CLOSE_STDIN && !p->terminal) close_input(p);
  if (error) send_error(k, request, NO_STEP, (uint32_t)error);
  else send_ok(k, request, false, 0);
}

void on_control(int index, uint32_t events) {
  (void)events;
  struct connection *k = &connections[index];
  if (!k->is_open) return;
  ssize_t size = recv(k->fd, k->input + k->size, sizeof k->input - k->size, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) return close_connection(k);
  k->size += (size_t)size;
  size_t at = 0;
  while (k->is_open && k->size - at >= HEADER) {
    struct cursor header = {k->input + at, k->input + at + HEADER, false};
    uint32_t length = take_u32(&header);
    uint16_t type = take_u16(&header), request = take_u16(&header);
    if (length > REQUEST_LIMIT) {
      send_error(k, request, NO_STEP, EMSGSIZE);
      return close_connection(k);
    }
    if (k->size - at < HEADER + length) break;
    const uint8_t *payload = k->input + at + HEADER;
    handle(k, type, request, (struct cursor){payload, payload + length, false});
    at += HEADER + length;
  }
  if (!k->is_open) return;
  memmove(k->input, k->input + at, k->size - at);
  k->size -= at;
}
