// libseccomp's answer to rules, for comparison. Reads lines:
//   names ARCH NAME…               prints `NAME NUMBER` a line, numbers as libseccomp has them
//   filter DEFAULT OPTIMIZE ARCH…  starts a filter
//   rule ACTION NAME [INDEX OP A B]…
//   end                            writes a 32-bit length and the program, or 0xffffffff and a 32-bit error
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static scmp_filter_ctx filter;
static int failure;

static void print_names(void) {
  uint32_t arch = seccomp_arch_resolve_name(strtok(NULL, " "));
  for (char *name; (name = strtok(NULL, " "));)
    printf("%s %d\n", name, seccomp_syscall_resolve_name_arch(arch, name));
}

static void start_filter(void) {
  uint32_t action = (uint32_t)strtoul(strtok(NULL, " "), NULL, 0);
  uint32_t optimize = (uint32_t)strtoul(strtok(NULL, " "), NULL, 0);
  filter = seccomp_init(action);
  failure = filter ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, optimize) : -EINVAL;
  int native = 0;
  for (char *name; !failure && (name = strtok(NULL, " "));) {
    uint32_t arch = seccomp_arch_resolve_name(name);
    if (arch == seccomp_arch_native()) native = 1;
    else failure = seccomp_arch_add(filter, arch);
  }
  if (!failure && !native) failure = seccomp_arch_remove(filter, SCMP_ARCH_NATIVE);
}

static void add_rule(void) {
  uint32_t action = (uint32_t)strtoul(strtok(NULL, " "), NULL, 0);
  int number = seccomp_syscall_resolve_name(strtok(NULL, " "));
  struct scmp_arg_cmp checks[6];
  unsigned count = 0;
  for (char *index; count < 6 && (index = strtok(NULL, " ")); count++) {
    checks[count].arg = (unsigned)strtoul(index, NULL, 0);
    checks[count].op = (enum scmp_compare)strtoul(strtok(NULL, " "), NULL, 0);
    checks[count].datum_a = strtoull(strtok(NULL, " "), NULL, 0);
    checks[count].datum_b = strtoull(strtok(NULL, " "), NULL, 0);
  }
  if (number == __NR_SCMP_ERROR || failure) return;
  failure = seccomp_rule_add_array(filter, action, number, count, checks);
}

static void end_filter(void) {
  static uint8_t program[1 << 20];
  uint32_t head[2] = {UINT32_MAX, 0};
  int file = memfd_create("bpf", 0);
  if (!failure) failure = seccomp_export_bpf(filter, file);
  ssize_t size = failure ? 0 : pread(file, program, sizeof program, 0);
  close(file);
  if (failure) head[1] = (uint32_t)-failure;
  else head[0] = (uint32_t)size;
  fwrite(head, sizeof *head, failure ? 2 : 1, stdout);
  fwrite(program, 1, (size_t)size, stdout);
  seccomp_release(filter);
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  for (ssize_t size; (size = getline(&line, &room, stdin)) > 0;) {
    if (line[size - 1] == '\n') line[size - 1] = 0;
    const char *verb = strtok(line, " ");
    if (!strcmp(verb, "names")) print_names();
    else if (!strcmp(verb, "filter")) start_filter();
    else if (!strcmp(verb, "rule")) add_rule();
    else if (!strcmp(verb, "end")) end_filter();
    else return 2;
  }
  return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
