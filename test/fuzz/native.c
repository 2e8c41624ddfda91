// Fuzzes what of the shim reads bytes: plan files (plan.c) and control frames (control.c, outbox.c), built with the address and undefined behaviour
// sanitizers by `make fuzz`. Arguments: seconds, seed.
#define _GNU_SOURCE
#include "../../native/shim.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// What control.c asks of its siblings: a table of processes that never run.
struct process processes[PROCESS_LIMIT];
struct failure init_failure;
bool buffers_dirty;
int refuse(int error) { return (void)error, -1; }
int watch(int fd, uint32_t events, enum event_kind kind, uint32_t index) { return (void)fd, (void)events, (void)kind, (void)index, 0; }
void rewatch(int fd, uint32_t events, enum event_kind kind, uint32_t index) { (void)fd, (void)events, (void)kind, (void)index; }
void begin_shutdown(void) {}
void hear_clients(void) {}
void close_input(struct process *p) { p->stdin_closed = true; }
void forget_process(struct process *p) { p->state = FREE; }
int accept_from(int listener) { // takes the least: most answers are kept for it
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int));
  return fd;
}
void give_up(struct process *p) { p->sync_point = 0, p->is_given_up = true; }
bool has_more_for_sinks(const struct process *p) { return p->out[0] >= 0; }
int64_t monotonic_seconds(void) { return time(NULL); }
void release_source(struct process *p) { p->source[1] = -1; }
int kill_process(struct process *p, int signal) { return (void)p, (void)signal, 0; }
bool is_name(const char *name, size_t size) { return size > 0 && size <= NAME_LIMIT && memchr(name, 0, size) == NULL; }
const char *record_name(const struct process *p, const char *prefix) { return (void)p, (void)prefix, "fuzz-record"; }
struct process *find_process(const char *name, size_t size) {
  for (int i = 0; i < PROCESS_LIMIT; i++)
    if (processes[i].state != FREE && strlen(processes[i].name) == size && memcmp(processes[i].name, name, size) == 0) return &processes[i];
  return NULL;
}

static uint64_t state;
static uint32_t below(uint32_t bound) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return (uint32_t)(state >> 32) % bound;
}

static volatile uint64_t sum; // what was read is used

int send_word(struct process *p, const void *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) sum += ((const uint8_t *)bytes)[i];
  return p->sync_point = 0, below(8) ? 0 : 3;
}

// Walks a process's steps as run_steps does, and each body in some way.
static void walk(const struct process_plan *plan) {
  struct cursor c = plan->steps;
  for (uint32_t i = 0; i < plan->step_count && !c.bad; i++) {
    take_u8(&c), take_u8(&c);
    for (int count = take_u8(&c); count > 0; count--) take_u32(&c);
    uint32_t size;
    const uint8_t *bytes = take_bytes(&c, &size);
    if (c.bad) break;
    struct cursor body = {bytes, bytes + size, false};
    while (!body.bad && body.at < body.end) {
      uint32_t length;
      switch (below(4)) {
      case 0: sum += take_u64(&body); break;
      case 1: sum += strlen(take_text(&body)); break;
      case 2: sum += take_u16(&body); break;
      default:
        if (take_bytes(&body, &length) && length) sum += body.at[-1];
      }
    }
  }
  sum += strlen(plan->cgroup) + strlen(plan->pid_namespace);
  for (int i = 0; i < 3; i++) sum += strlen(plan->paths[i]);
}

static void walk_texts(struct cursor c) {
  for (uint32_t count = take_u32(&c); count > 0; count--) sum += strlen(take_text(&c));
  if (c.bad) abort(); // they were checked when the command was read
}

static void walk_command(const struct command_plan *command) {
  walk_texts(command->arguments), walk_texts(command->environment);
  sum += strlen(command->directory) + strlen(command->pid_file) + strlen(command->console);
  for (int i = 0; i < 3; i++) sum += strlen(command->paths[i]);
}

static void walk_relay(const struct relay_plan *relay) {
  for (int i = 0; i < 3; i++) sum += strlen(relay->paths[i]);
}

int spawn_process(struct process *p, const struct process_plan *plan, int rootfs) {
  (void)rootfs;
  walk(plan);
  *p = (struct process){.state = CREATING + below(5), .channel = -1, .waiter = -1, .out = {-1, -1}, .source = {-1, -1}, .listed = true};
  p->sync_point = p->state == CREATING && below(2);
  strcpy(p->name, "exec");
  return 0;
}

int spawn_command(struct process *p, const struct command_plan *command) {
  static const struct process_plan none = {.cgroup = "", .pid_namespace = "", .paths = {"", "", ""}};
  walk_command(command);
  spawn_process(p, &none, -1);
  return p->is_command = true, 0;
}

// As process.c tells plans apart.
int make_process(struct process *p, struct plan_file *file) {
  struct process_plan plan;
  struct command_plan command;
  struct relay_plan relay;
  if (file->has_settings) return EPROTO;
  int error = file->has_relay     ? take_relay_plan(&file->cursor, &relay)
              : file->has_command ? take_command_plan(&file->cursor, &command)
                                  : take_process_plan(&file->cursor, &plan);
  if (error) return error;
  if (file->has_relay) return walk_relay(&relay), p->state = CREATED, p->is_relay = true, 0;
  return file->has_command ? spawn_command(p, &command) : spawn_process(p, &plan, -1);
}
void process_is_made(struct process *p, enum process_state new_state) { p->state = new_state; }
void end_relay(struct process *p) { p->state = EXITED; }

static size_t put(uint8_t *to, uint64_t value, int size) {
  for (int i = 0; i < size; i++) to[i] = (uint8_t)(value >> (8 * i));
  return (size_t)size;
}
static size_t put_text(uint8_t *to, const char *text) {
  size_t size = strlen(text);
  put(to, size, 4);
  memcpy(to + 4, text, size + 1);
  return size + 5;
}

static size_t put_texts(uint8_t *to, uint32_t count) {
  size_t at = put(to, count, 4);
  for (uint32_t i = 0; i < count; i++) at += put_text(to + at, "/bin/text");
  return at;
}

static size_t put_paths(uint8_t *to) {
  size_t at = put_text(to, "/run/in");
  at += put_text(to + at, "/run/out");
  return at + put_text(to + at, "");
}

static size_t put_process(uint8_t *to) {
  uint8_t flags = (uint8_t)below(32);
  size_t at = put(to, 0x20000, 8) + put(to + 8, flags, 1);
  at += put_text(to + at, "/sys/fs/cgroup/x");
  if (flags & 8) at += put_text(to + at, "/proc/1/ns/pid");
  if (flags & 16) at += put_paths(to + at);
  at += put(to + at, 2, 4);
  for (int i = 0; i < 2; i++) {
    at += put(to + at, 7, 1) + put(to + at + 1, 1, 1) + put(to + at + 2, 1, 1) + put(to + at + 3, 2, 4) + put(to + at + 7, 9, 4);
    at += put_text(to + at, "name");
  }
  return at;
}

static size_t put_command(uint8_t *to) {
  uint8_t flags = (uint8_t)below(16);
  size_t at = put_texts(to, 1 + below(4));
  at += put_texts(to + at, below(3));
  at += put_text(to + at, "/bundle");
  at += put_text(to + at, "/bundle/pid");
  at += put(to + at, flags, 1);
  at += put_text(to + at, "console");
  return flags & 8 ? at + put_paths(to + at) : at;
}

// Content: 0 a process, 1 settings and a process, 2 settings and a command, 3 a command, 4 settings and a relay, 5 a relay.
static size_t sample_plan(uint8_t *to, uint32_t content) {
  size_t at = put(to, 0x4e4c5042, 4);
  at += put(to + at, 1, 2);
  at += put(to + at, content, 2);
  if (content == 1 || content == 2 || content == 4) {
    at += put_text(to + at, "/run/streams/x");
    at += put_text(to + at, "/data/x.log");
    at += put(to + at, 1 << 20, 8) + put(to + at + 8, 3, 4) + put(to + at + 12, below(2), 1);
    at += put_text(to + at, "{}") - 1; // the attributes are bytes, without a zero
    at += put(to + at, 1, 1) + put(to + at + 1, 1 << 20, 8);
    at += put(to + at, 60, 4) + put(to + at + 4, 60, 4);
  }
  if (content >= 4) return at + put(to + at, below(2), 1) + put_paths(to + at + 1);
  return at + (content < 2 ? put_process(to + at) : put_command(to + at));
}

static size_t put_bytes(uint8_t *to, const char *bytes, size_t size, int length_size) {
  put(to, size, length_size);
  memcpy(to + length_size, bytes, size);
  return size + (size_t)length_size;
}

static size_t sample_frames(uint8_t *to) {
  static char long_state[20000];
  size_t at = 0;
  for (int i = 0; i < 6; i++) {
    uint16_t type = (uint16_t)(1 + below(11));
    size_t start = at, state_size = below(4) ? below(100) : sizeof long_state;
    at += 8;
    at += put_bytes(to + at, below(2) ? "init" : "exec", 4, 2);
    if (type == 3) at += put_bytes(to + at, "plan-x", 6, 2);
    else if (type == 10 && below(3) == 0) at += put(to + at, 0xffffffff, 4);
    else if (type == 10 || (type == 2 && below(2))) at += put_bytes(to + at, long_state, state_size, 4);
    else at += put(to + at, 9, 4);
    put(to + start, at - start - 8, 4), put(to + start + 4, type, 2), put(to + start + 6, (uint64_t)i, 2);
  }
  return at;
}

static size_t mutate(uint8_t *bytes, size_t size, size_t room) {
  static const uint32_t numbers[] = {0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  for (uint32_t changes = below(4); changes > 0; changes--) {
    uint32_t at = below((uint32_t)size + 1);
    switch (below(4)) {
    case 0: size = at ? at : size; break;
    case 1:
      if (at < size) bytes[at] = (uint8_t)below(256);
      break;
    case 2:
      if (at + 4 <= size) put(bytes + at, numbers[below(8)], 4);
      break;
    default:
      if (size * 2 < room) memmove(bytes + at, bytes, size), size += at;
    }
  }
  return size;
}

static void write_plan(const char *name, const uint8_t *bytes, size_t size) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size) abort();
  close(fd);
}

static void fuzz_plan(uint8_t *bytes, size_t room) {
  write_plan("plan", bytes, mutate(bytes, sample_plan(bytes, below(6)), room));
  struct plan_file file;
  struct process_plan plan;
  struct command_plan command;
  if (open_plan("plan", &file)) return;
  int error = file.has_settings ? take_settings(&file.cursor) : 0;
  struct relay_plan relay;
  if (!error && file.has_relay && !take_relay_plan(&file.cursor, &relay)) walk_relay(&relay);
  if (!error && file.has_command && !take_command_plan(&file.cursor, &command)) walk_command(&command);
  if (!error && !file.has_command && !file.has_relay && !take_process_plan(&file.cursor, &plan)) walk(&plan);
  close_plan(&file);
}

static void fuzz_control(uint8_t *bytes, size_t room, int listener, const struct sockaddr *address, socklen_t length) {
  memset(processes, 0, sizeof processes);
  processes[0] = (struct process){.name = "init", .state = below(4) ? RUNNING : CREATING, .channel = -1, .waiter = -1, .listed = true};
  processes[0].out[0] = processes[0].out[1] = processes[0].source[0] = processes[0].source[1] = -1;
  processes[0].sync_point = processes[0].state == CREATING;
  write_plan("plan-x", bytes, mutate(bytes, sample_plan(bytes, (const uint32_t[]){0, 3, 5}[below(3)]), room));
  int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(client, address, length) < 0) abort();
  accept_control(listener);
  size_t size = mutate(bytes, sample_frames(bytes), room), sent = 0;
  while (sent < size) {
    size_t part = 1 + below((uint32_t)(size - sent));
    ssize_t done = send(client, bytes + sent, part, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done <= 0) break;
    sent += (size_t)done;
    for (int i = 0; i < 20; i++) {
      on_control(0, below(2) ? EPOLLOUT : 0); // it takes a little at a time
      if (below(64) == 0) recv(client, bytes + room, 4096, MSG_DONTWAIT);
    }
    if (below(4) == 0) release_control_buffers();
  }
  close_controls();
  close(client);
}

int main(int count, char **arguments) {
  static uint8_t bytes[(1 << 18) + 4096];
  if (count != 3) return 2;
  state = strtoull(arguments[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
  char directory[] = "/tmp/fuzz-XXXXXX";
  if (!mkdtemp(directory) || chdir(directory) < 0) return 1;
  // A name that the kernel chooses: nothing to remove.
  struct sockaddr_storage address;
  socklen_t length = sizeof address;
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr family = {.sa_family = AF_UNIX};
  if (bind(listener, &family, sizeof family.sa_family) < 0 || listen(listener, 1) < 0) return 1;
  if (getsockname(listener, (struct sockaddr *)&address, &length) < 0) return 1;
  long rounds = 0;
  for (time_t end = time(NULL) + atoi(arguments[1]); time(NULL) < end; rounds++) {
    fuzz_plan(bytes, 1 << 18);
    fuzz_control(bytes, 1 << 18, listener, (struct sockaddr *)&address, length);
  }
  unlink("plan"), unlink("plan-x");
  if (chdir("/") < 0 || rmdir(directory) < 0) return 1;
  printf("%-20s %9ld inputs, seed %s\n", "plans and frames", rounds, arguments[2]);
  return 0;
}
