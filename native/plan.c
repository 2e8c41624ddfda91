// Reads a plan file (README.md, "Plan file"). The bytes come from our own daemon, and are still bounded at every step.
#include "shim.h"
#include "kernel.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PROCESS, WITH_SETTINGS, SETTINGS_AND_COMMAND, COMMAND, SETTINGS_AND_RELAY, RELAY }; // what a plan file holds
enum { MAGIC = 0x4e4c5042 /* BPLN */, VERSION = 1 };

struct settings settings;

static const uint8_t *take(struct cursor *c, size_t size) {
  if (c->bad || (size_t)(c->end - c->at) < size) {
    c->bad = true;
    return NULL;
  }
  const uint8_t *at = c->at;
  c->at += size;
  return at;
}

static uint64_t take_number(struct cursor *c, int size) {
  const uint8_t *at = take(c, (size_t)size);
  uint64_t value = 0;
  for (int i = 0; at && i < size; i++) value |= (uint64_t)at[i] << (8 * i);
  return value;
}

uint8_t take_u8(struct cursor *c) { return (uint8_t)take_number(c, 1); }
uint16_t take_u16(struct cursor *c) { return (uint16_t)take_number(c, 2); }
uint32_t take_u32(struct cursor *c) { return (uint32_t)take_number(c, 4); }
uint64_t take_u64(struct cursor *c) { return take_number(c, 8); }

const uint8_t *take_bytes(struct cursor *c, uint32_t *size) {
  *size = take_u32(c);
  const uint8_t *at = take(c, *size);
  if (!at) *size = 0;
  return at;
}

const uint8_t *take_short(struct cursor *c, uint16_t *size) {
  *size = take_u16(c);
  return take(c, *size);
}

const char *take_text(struct cursor *c) {
  uint32_t size;
  const uint8_t *text = take_bytes(c, &size);
  const uint8_t *terminator = take(c, 1);
  if (!text || !terminator || memchr(text, 0, (size_t)size + 1) != terminator) {
    c->bad = true;
    return "";
  }
  return (const char *)text;
}

int map_plan(int fd, struct plan_file *plan) {
  struct stat st;
  int error = fstat(fd, &st) ? errno : !S_ISREG(st.st_mode) || st.st_size <= 0 ? EINVAL : st.st_size > PLAN_LIMIT ? EFBIG : 0;
  void *map = error ? MAP_FAILED : mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (error || map == MAP_FAILED) return error ? error : errno;
  *plan = (struct plan_file){.map = map, .size = (size_t)st.st_size, .cursor = {map, (uint8_t *)map + st.st_size, false}};
  uint32_t magic = take_u32(&plan->cursor);
  uint16_t version = take_u16(&plan->cursor);
  uint16_t content = take_u16(&plan->cursor);
  plan->has_settings = content == WITH_SETTINGS || content == SETTINGS_AND_COMMAND || content == SETTINGS_AND_RELAY;
  plan->has_command = content == SETTINGS_AND_COMMAND || content == COMMAND;
  plan->has_relay = content == SETTINGS_AND_RELAY || content == RELAY;
  if (magic == MAGIC && version == VERSION && content <= RELAY && !plan->cursor.bad) return 0;
  close_plan(plan);
  return EPROTO;
}

int open_plan(const char *name, struct plan_file *plan) {
  int fd = open_in(AT_FDCWD, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW, K_RESOLVE_BENEATH | K_RESOLVE_NO_SYMLINKS);
  if (fd < 0) return errno;
  int error = map_plan(fd, plan);
  close(fd);
  if (!error || error == EPROTO) unlink(name);
  return error;
}

void close_plan(struct plan_file *plan) { munmap(plan->map, plan->size); }

static bool copy_path(char *to, const char *from) {
  if ((*from != 0 && *from != '/') || strlen(from) >= sizeof settings.log_path) return false;
  strcpy(to, from);
  return true;
}

int take_settings(struct cursor *c) {
  const char *stream_path = take_text(c), *log_path = take_text(c);
  settings.log_max_size = take_u64(c);
  settings.log_max_files = take_u32(c);
  settings.log_format = take_u8(c);
  const uint8_t *attributes = take_bytes(c, &settings.log_attributes_size);
  settings.stdin_once = take_u8(c) != 0;
  settings.spill_max = take_u64(c);
  settings.stall_seconds = take_u32(c);
  settings.linger_seconds = take_u32(c);
  if (c->bad || settings.log_format > LOG_LOCAL) return EPROTO;
  if (settings.log_attributes_size > sizeof settings.log_attributes) return E2BIG;
  memcpy(settings.log_attributes, attributes, settings.log_attributes_size);
  if (!copy_path(settings.stream_path, stream_path) || !copy_path(settings.log_path, log_path)) return ENAMETOOLONG;
  return 0;
}

static void take_paths(struct cursor *c, bool are_there, const char *paths[3]) {
  for (int i = 0; i < 3; i++) paths[i] = are_there ? take_text(c) : "";
}

int take_process_plan(struct cursor *c, struct process_plan *plan) {
  plan->clone_flags = take_u64(c);
  uint8_t flags = take_u8(c);
  plan->join_init_pid = flags & 1;
  plan->terminal = flags & 2;
  plan->want_stdin = flags & 4;
  plan->cgroup = take_text(c);
  plan->pid_namespace = flags & 8 ? take_text(c) : "";
  take_paths(c, flags & 16, plan->paths);
  plan->step_count = take_u32(c);
  plan->steps = *c;
  return c->bad ? EPROTO : 0;
}

static struct cursor skip_texts(struct cursor *c) {
  struct cursor start = *c;
  for (uint32_t count = take_u32(c); count > 0 && !c->bad; count--) take_text(c);
  return start;
}

// A console socket is made in the bundle, so that its name is a file's.
int take_command_plan(struct cursor *c, struct command_plan *plan) {
  plan->arguments = skip_texts(c);
  plan->environment = skip_texts(c);
  plan->directory = take_text(c);
  plan->pid_file = take_text(c);
  uint8_t flags = take_u8(c);
  plan->terminal = flags & 1;
  plan->want_stdin = flags & 2;
  plan->starts_at_once = flags & 4;
  plan->console = take_text(c);
  take_paths(c, flags & 8, plan->paths);
  plan->gives_streams = flags & 16;
  plan->uid = plan->gives_streams ? take_u32(c) : 0;
  plan->gid = plan->gives_streams ? take_u32(c) : 0;
  struct cursor arguments = plan->arguments;
  if (c->bad || take_u32(&arguments) == 0) return EPROTO;
  if (plan->terminal && (!*plan->console || strchr(plan->console, '/'))) return EINVAL;
  return *plan->pid_file == '/' ? 0 : EINVAL;
}

int take_relay_plan(struct cursor *c, struct relay_plan *plan) {
  plan->terminal = take_u8(c) & 1;
  take_paths(c, true, plan->paths);
  return c->bad ? EPROTO : 0;
}
