// The shim's state and the seams between its files. Limits are stated here; nothing is allocated after start.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  PROCESS_LIMIT = 256, // the first process and execs, ended ones until `remove`
  CLIENT_LIMIT = 64,   // attach connections
  CONTROL_LIMIT = 16,  // control connections
  NAME_LIMIT = 128,
  PLAN_LIMIT = 8 << 20, // bytes of a plan file
  READ_SIZE = 64 << 10, // one read of output: a pipe's capacity
  HELD_SIZE = 4 << 10,  // what is read at once for a FIFO or from one, and kept where it does not fit
  SLOT_COUNT = 250,
  REPORT_LIMIT = 5 << 10, // of a hook: its exit status and the beginnings of its output
  DRAIN_LIMIT = 1 << 20, // the largest pipe that an unprivileged process can make
  STRAGGLER_SECONDS = 2, // how long output of an ended process's descendants is still passed on
};

#define NO_STEP 0xffffffffu

// plan.c: the bytes of a plan file, read with a bounded cursor.
struct cursor {
  const uint8_t *at, *end;
  bool bad; // set by a read past the end; every later read gives zeros
};
struct process_plan {
  uint64_t clone_flags;
  bool join_init_pid, terminal, want_stdin;
  const char *cgroup, *pid_namespace; // empty: none
  const char *paths[3];               // FIFOs and files of the standard streams; empty: none
  uint32_t step_count;
  struct cursor steps;
};
struct command_plan { // another OCI runtime, which makes the process
  struct cursor arguments, environment;
  const char *directory, *pid_file, *console, *paths[3];
  bool terminal, want_stdin, starts_at_once, gives_streams;
  uint32_t uid, gid; // whose its pipes become, where it gives them
};
struct relay_plan { // streams of a process that somebody else makes and watches
  bool terminal;
  const char *paths[3]; // FIFOs; empty: none
};
struct plan_file {
  void *map;
  size_t size;
  struct cursor cursor;
  bool has_settings, has_command, has_relay;
};
uint8_t take_u8(struct cursor *c);
uint16_t take_u16(struct cursor *c);
uint32_t take_u32(struct cursor *c);
uint64_t take_u64(struct cursor *c);
const char *take_text(struct cursor *c);                      // NUL-terminated, without NUL inside
const uint8_t *take_bytes(struct cursor *c, uint32_t *size);
const uint8_t *take_short(struct cursor *c, uint16_t *size);
int open_plan(const char *name, struct plan_file *plan);      // 0 or an errno; the file is unlinked
int map_plan(int fd, struct plan_file *plan);                 // 0 or an errno; the descriptor stays open
void close_plan(struct plan_file *plan);
int take_settings(struct cursor *c);                          // 0 or an errno; into `settings`
int take_process_plan(struct cursor *c, struct process_plan *plan);
int take_command_plan(struct cursor *c, struct command_plan *plan);
int take_relay_plan(struct cursor *c, struct relay_plan *plan);

enum { LOG_JSON = 0, LOG_LOCAL = 1, LOG_ATTRIBUTES_MAX = 32 << 10 };
struct settings {
  char stream_path[4096], log_path[4096]; // empty: none
  uint64_t log_max_size, spill_max;
  uint32_t log_max_files, stall_seconds, linger_seconds;
  uint8_t log_format;
  char log_attributes[LOG_ATTRIBUTES_MAX]; // as they stand in every entry: a JSON object, or encoded fields of a record
  uint32_t log_attributes_size;
  bool stdin_once;
};
extern struct settings settings;

// birth.c: how a process comes to be, for both programs and for the step `clone`.
int clone_process(const struct process_plan *plan, uint64_t flags, int init_pidfd, int *pidfd); // as clone3(2); -1 with errno
int clone_with(uint64_t flags, int cgroup, int *pidfd);                                         // cgroup: a directory or -1
void take_defaults(void); // dispositions, signal mask, umask: what a process is born with
bool take_missing_streams(void);
struct gate {
  int ends[2];
};
bool make_gate(struct gate *gate);
void pass_gate(struct gate *gate); // returns once the other process has left the gate or ended
void leave_gate(struct gate *gate);

// steps.c and its siblings: run in the child only.
struct child {
  int channel, init_pidfd, slots[SLOT_COUNT];
  int company;           // berth-init's own ear with `keep`, or -1
  int status;            // where a failure after await-fifo is told, or -1
  unsigned preserved;    // descriptors from 3 on that the program gets
  bool dies_with_parent;
  const char *program; // found by resolve-exec
};
struct child_message {
  uint32_t kind, step, error;
};
enum child_message_kind {
  CHILD_CREATED = 1, CHILD_FAILED, CHILD_PTY, CHILD_CLONED, CHILD_SYNC, CHILD_EXITED, CHILD_EXECUTED,
};
enum { NO_SLOT = 0xff, CONSOLE_SOCKET_SLOT = 249, STATE_LIMIT = 64 << 10 };
typedef int step_function(struct child *child, struct cursor *c); // 0 or -1 with errno
step_function step_setns, step_setns_init, step_unshare, step_setsid, step_prctl, step_sethostname, step_setdomainname,
    step_session_keyring, step_rlimit, step_umask, step_set_ids, step_cap_bounding, step_cap_set, step_cap_ambient, step_seccomp,
    step_loopback_up, step_write_file, step_open_in_root, step_make_path, step_mknod, step_symlink, step_close, step_propagation,
    step_fs_mount, step_open_tree, step_mount_setattr, step_move_mount, step_move_mount_to_path, step_mask, step_pivot_root, step_pty,
    step_chdir, step_resolve_exec, step_close_fds, step_await_start, step_exec, step_open_tree_of, step_clone, step_sync, step_run_hook,
    step_open_host, step_connect_unix, step_await_fifo, step_make_user_namespace, step_scheduler, step_io_priority, step_memory_policy,
    step_personality, step_cpu_affinity, step_reconfigure, step_copy_tree, step_move_root, step_chroot, step_reopen_null,
    step_own_streams;
void own_streams(uint32_t uid, uint32_t gid);
_Noreturn void run_steps(struct child *child, const struct process_plan *plan);
int slot_fd(struct child *child, uint8_t slot);
int fill_slot(struct child *child, uint8_t slot, int fd);
int refuse(int error); // sets errno, returns -1
int arm_parent_death(const struct child *child);
void tell_spawner(int channel, uint32_t kind, uint32_t step, uint32_t error);
bool send_descriptor(int socket, const void *data, size_t size, int fd);
void tell_with_descriptor(int channel, uint32_t kind, uint32_t step, uint32_t error, int fd);
char **take_texts(struct cursor *c); // ends with NULL; NULL where there are too many
void sync_with_spawner(struct child *child, uint32_t point, uint32_t value);
const char *kept_state(size_t *size);  // for hooks
const void *hook_report(size_t *size); // of the hook that has failed: u32 wait status, u32 size of standard output, that, standard error

// process.c: the table of processes.
enum process_state { FREE, CREATING, CREATED, STARTING, RUNNING, EXITED };
struct process {
  char name[NAME_LIMIT + 1];
  uint8_t state;
  bool terminal, want_stdin, listed; // listed: reached `created`, so that control connections know it
  bool is_command, starts_at_once;   // made by another runtime; until that has ended, pid and pidfd are its
  bool is_relay;                     // only its streams are ours
  bool stdin_closed, paused, in_watched, out_watched[2];
  bool is_given_up;
  int pid, pidfd, channel;
  int original;          // the first stage of a process that was cloned, not reaped yet
  int console;           // listens for the master of a command's terminal, or -1
  uint32_t sync_point, sync_value; // where it waits to proceed; 0: nowhere
  int64_t sync_deadline;           // where nobody was there to be told; 0: none
  int in, out[2];        // our ends; -1 where closed. With a terminal `in` and `out[0]` are both the master
  int input_path;        // a relay's: where `in` is to be opened once somebody reads there (O_PATH), or -1
  int source[2];         // standard input's FIFO: the end that is read, the end that keeps it open until close-stdin
  int sink[2];           // where output is copied to
  bool source_watched, sink_is_file[2];
  uint8_t ending;        // outputs to close once their sinks have taken what is there, a bit each
  uint32_t late[2];      // bytes read from those since
  uint16_t held[3], held_at[3]; // what did not fit yet: of the FIFO into `in`, of the outputs into their sinks
  int waiter;            // control connection that waits for an answer, or -1
  uint16_t request;
  uint32_t code, signal;
  int64_t exit_seconds, straggler_deadline;
  int64_t removal_deadline; // it is to be removed when its sinks have taken everything, or then; 0: not
  uint32_t exit_nanoseconds;
};
struct ends { // what a new process gets of ours
  int streams[3], channel;
};
extern struct process processes[PROCESS_LIMIT]; // [0] is the first process
struct failure { // of a step, or NO_STEP; errno 0: none
  uint32_t step, error;
  size_t report_size; // of a hook that has failed
  uint8_t report[REPORT_LIMIT];
};
extern struct failure init_failure; // why the first process could not be made
struct process *find_process(const char *name, size_t size);
int spawn_process(struct process *p, const struct process_plan *plan, int rootfs); // 0 or an errno
int make_process(struct process *p, struct plan_file *file);       // a further one; 0 or an errno
void clear_process(struct process *p);
int begin_process(struct process *p, const char *const paths[3], struct ends *theirs); // flags of `p` are set; 0 or an errno
int end_process_birth(struct process *p, struct ends *theirs, int error);              // closes their ends; returns `error`
void place_descriptors(const struct ends *theirs, int rootfs, int init_pidfd);         // in the child
void adopt_master(struct process *p, int master);
void reap_children(void);
void forget_process(struct process *p);
int kill_process(struct process *p, int signal);
void give_up(struct process *p);
bool is_name(const char *name, size_t size);
const char *record_name(const struct process *p, const char *prefix);
void end_stragglers(struct process *p);

// channel.c: what children say.
void on_channel(struct process *p);
bool take_message(struct process *p); // takes one message, or the end; false where there is neither now
void on_channel_end(struct process *p);
void process_is_made(struct process *p, enum process_state state);
void fail_creation(struct process *p, uint32_t error);
int send_word(struct process *p, const void *state, size_t size); // 0 or an errno

// command.c: processes that another OCI runtime makes.
int spawn_command(struct process *p, const struct command_plan *command); // 0 or an errno
void on_command_exit(struct process *p, int status);

// relay.c: processes that somebody else makes; their ends of the streams are FIFOs.
int spawn_relay(struct process *p, const struct relay_plan *plan); // 0 or an errno
void end_relay(struct process *p);
bool await_readers(void); // opens inputs that are read by now; false where there is none to wait for

// paths.c: FIFOs and files that standard streams are copied from and to.
int open_paths(struct process *p, const char *const paths[3]); // 0 or an errno
void on_source(struct process *p, uint32_t events);
void update_source(struct process *p);
bool flush_source(struct process *p); // what is held into `in`; false where some still is
void release_source(struct process *p);
void close_source(struct process *p);
void copy_to_sink(struct process *p, int which, const uint8_t *data, size_t size);
void on_sink(struct process *p, int which);
void close_sink(struct process *p, int which);
bool is_sink_full(const struct process *p, int which);
bool has_more_for_sinks(const struct process *p); // its output has not ended, or has not been taken
void release_held_buffers(void);

// output.c: from the processes' ends to log, clients and sinks.
void on_output(struct process *p, int which);
void drain_output(struct process *p);
void drain_stream(struct process *p, int which);
void close_output(struct process *p, int which);
bool output_ended(const struct process *p);
void settle_end(struct process *p); // where it has exited, and its output has ended too
void update_output(struct process *p); // asks epoll for what may be read now
extern uint8_t read_buffer[READ_SIZE];
extern bool buffers_dirty; // pages of the big buffers are in use
void release_buffers(void);

// log-entry.c
enum { TIME_SIZE = 40, PARTIAL_ID_SIZE = 64 };
struct log_stamp {
  uint64_t ns; // since the epoch
  char text[TIME_SIZE]; // with LOG_JSON
};
// What a piece of a long line says of itself, beside the others.
struct log_partial {
  char id[PARTIAL_ID_SIZE + 1]; // with LOG_LOCAL
  uint32_t ordinal; // from 1
  bool is_last;
};
struct log_entry {
  int which;
  const uint8_t *data; // without the newline
  size_t size;
  const struct log_stamp *stamp;
  const struct log_partial *partial; // NULL: a whole line
};
void take_stamp(struct log_stamp *stamp);
void make_partial_id(char id[PARTIAL_ID_SIZE + 1]);
size_t log_entry_bound(size_t size);                                              // bytes that an entry of so much data takes at most
uint8_t *put_log_entry(uint8_t *to, const struct log_entry *entry);               // returns its end
size_t whole_log_entries(const uint8_t *data, size_t size, uint64_t *count);      // bytes of the whole entries at the start, and their number

// log.c
int open_log(void);
void log_output(int which, const uint8_t *data, size_t size);
void log_end(int which);
void release_log_buffer(void);

// stream.c
int watch_clients(int listener); // -1: there is none
bool accept_client(void); // false: nobody is waiting
void hear_clients(void);
void on_client(int index, uint32_t events);
void on_input_ready(struct process *p);
void deliver(struct process *p, int which, const uint8_t *data, size_t size);
void finish_clients(struct process *p); // its output has ended
void update_pause(struct process *p);
void close_input(struct process *p);
void await_input(struct process *p); // asks to be told when the process takes input again
bool clients_pending(void);
int64_t clients_deadline(void);
void check_stalled(int64_t now);

// outbox.c: by the index of a control connection
struct iovec;
void send_or_keep(int index, int fd, const struct iovec *parts, size_t count); // never waits; what is left is sent when there is room
void send_kept(int index, int fd);
void drop_kept(int index);

// control.c
void accept_control(int listener);
void on_control(int index, uint32_t events);
void answer_ok(struct process *p, uint32_t pid);
void answer_failure(struct process *p, const struct failure *failure);
void tell_process(const struct process *p);
void tell_input_end(const struct process *p);
void tell_sync(const struct process *p);
void tell_init_failure(void);
int control_count(void);
void close_controls(void);
void end_removal(struct process *p);
void release_control_buffers(void);

// monitor.c
enum event_kind {
  ON_SIGNAL, ON_CONTROL_LISTENER, ON_STREAM_LISTENER, ON_CONTROL, ON_CLIENT, ON_CHANNEL, ON_OUT, ON_ERR, ON_IN,
  ON_SOURCE, ON_SINK_OUT, ON_SINK_ERR,
};
int watch(int fd, uint32_t events, enum event_kind kind, uint32_t index);
void rewatch(int fd, uint32_t events, enum event_kind kind, uint32_t index);
void unwatch(int fd);
int accept_from(int listener); // a connection, or -1 where there is none for us
int64_t monotonic_seconds(void);
void begin_shutdown(void);
_Noreturn void monitor(int control_listener, int stream_listener);

// look.c
bool is_look(int argc, char **argv);
int look(int argc, char **argv);

// bundle.c
void watch_bundle(void);           // once, in the process that stays
void on_bundle_change(void);       // something in it was removed
int64_t check_bundle(int64_t now); // shuts down where it is gone; the second of the next look, or INT64_MAX

// main.c
int listen_here(const char *name); // in the working directory; -1 with errno
void restore_limits(void);         // in a child: those that the shim was given
