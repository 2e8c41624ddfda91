// The steps that native/berth-shim runs in the child: one step, one act on the kernel, all arguments resolved.
// native/README.md gives the bytes; src/shim/encode-plan.ts writes them; native/steps.c runs them.

/** A register of the child that holds a descriptor, 0 to 249. A step that writes a full slot closes what was in it. */
export type Slot = number

/** The slot in which the shim hands the child the root file system's detached mount, where the spawner gave one. */
export const ROOTFS_SLOT: Slot = 0

/** The slot of the socket to which `pty` sends the master where it names one; berth-init fills it itself when it keeps its child company. */
export const CONSOLE_SOCKET_SLOT: Slot = 249

/** Where a plan stops until whoever spawned it has done its part. The value told with `seccomp` is the listener's descriptor in the child. */
export const SYNC = {
  /** In the new user namespace, with nobody mapped yet: id maps, control groups that the child may not enter by itself, oom_score_adj. */
  identity: 1,
  /** Everything is mounted, the host still in sight: prestart and createRuntime hooks, network devices. */
  runtimeHooks: 2,
  /** The filter holds and has a listener, to be fetched by pidfd_getfd(2). */
  seccomp: 3,
} as const
export type SyncPoint = (typeof SYNC)[keyof typeof SYNC]

/**
 * One act. `skipOn`: with one of these errnos the step counts as done and the following `skip` steps are passed over;
 * every other errno ends the plan, and the shim reports (step index, errno).
 */
export type Step = StepBody & { skipOn?: { errnos: readonly number[]; skip: number } }

export type StepBody =
  // Namespaces and identity of the process.
  | { op: 'setns'; path: string; kind: number } // open(path), setns(fd, kind); kind is one CLONE_NEW* flag
  | { op: 'setns-init'; kinds: number } // setns(pidfd of the container's first process, kinds); not CLONE_NEWPID, see ProcessPlan
  | { op: 'unshare'; kinds: number }
  | { op: 'setsid' }
  | { op: 'prctl'; option: number; arg2: bigint; arg3?: bigint; arg4?: bigint; arg5?: bigint }
  | { op: 'sethostname'; name: string }
  | { op: 'setdomainname'; name: string }
  | { op: 'session-keyring'; name: string } // keyctl(KEYCTL_JOIN_SESSION_KEYRING)
  | { op: 'rlimit'; resource: number; soft: bigint; hard: bigint }
  | { op: 'umask'; mask: number }
  | { op: 'set-ids'; uid: number; gid: number; groups?: readonly number[] } // setgroups (absent: left as they are, where a user namespace refuses it), setresgid, setresuid with PR_SET_KEEPCAPS
  | { op: 'cap-bounding'; keep: bigint } // drops every capability outside the mask that the kernel knows
  | { op: 'cap-set'; effective: bigint; permitted: bigint; inheritable: bigint }
  | { op: 'cap-ambient'; set: bigint } // clears all, raises these
  | { op: 'seccomp'; flags: number; program: Uint8Array } // array of struct sock_filter, little-endian
  | { op: 'loopback-up' }
  // Files.
  | { op: 'write-file'; dir?: Slot; path: string; data: string } // open(O_WRONLY|O_CLOEXEC), one write; with `dir`, openat2 RESOLVE_BENEATH|NO_XDEV|NO_MAGICLINKS
  | { op: 'open-in-root'; slot: Slot; root?: Slot; path: string; flags: number } // openat2(RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS), O_CLOEXEC added; without root in the process's present root directory
  | { op: 'make-path'; slot: Slot; root: Slot; path: string; kind: 'directory' | 'file'; mode: number } // like open-in-root with O_PATH; missing components are made (mkdirat/mknodat on descriptors), directories 0755, the last with mode
  | { op: 'mknod'; dir: Slot; name: string; mode: number; major: number; minor: number; uid: number; gid: number } // mode is set by fchmodat after, free of umask; EEXIST is an error
  | { op: 'symlink'; dir: Slot; name: string; target: string }
  | { op: 'close'; slot: Slot }
  // Mounts, by descriptor only (kernel 5.12).
  | { op: 'propagation'; path: string; flags: number } // mount(NULL, path, NULL, flags, NULL), e.g. MS_REC|MS_SLAVE on /
  | {
      op: 'fs-mount'
      slot: Slot
      fstype: string
      source?: string
      options: readonly (readonly [key: string, value: string | undefined])[]
      attributes: number
    } // fsopen, fsconfig…, fsmount(attributes are MOUNT_ATTR_*)
  | { op: 'open-tree'; slot: Slot; dir?: Slot; path: string; recursive: boolean } // OPEN_TREE_CLONE; without dir from the host's view, path may be followed; dir with path '' clones dir itself
  | { op: 'open-tree-of'; slot: Slot; namespace: string; path: string; recursive: boolean } // setns to that mount namespace, OPEN_TREE_CLONE there, and back: a tree can only be cloned from within
  | {
      op: 'mount-setattr'
      slot: Slot
      set: bigint
      clear: bigint
      propagation: bigint
      recursive: boolean
      userns?: Slot // with MOUNT_ATTR_IDMAP in `set`
    }
  | { op: 'move-mount'; from: Slot; to: Slot } // both by descriptor, empty paths
  | { op: 'move-mount-to-path'; from: Slot; path: string } // the root file system onto the bundle's rootfs directory, before pivot
  | { op: 'mask'; target: Slot; file: Slot; directory: Slot } // clones `directory` (an empty read-only tmpfs) over a directory, `file` (verified char 1:3) over anything else
  | { op: 'pivot-root'; root: Slot } // fchdir, pivot_root(".", "."), umount2(".", MNT_DETACH), chdir("/")
  // The end.
  | { op: 'pty'; devpts: Slot; console?: Slot; rows: number; columns: number; uid: number; gid: number; socket?: Slot } // opens ptmx of that devpts, TIOCGPTPEER; master goes to the shim, or over `socket` with `/dev/ptmx` as the data (runc's console socket); slave becomes 0, 1, 2 and the controlling terminal; a clone of the slave is mounted on `console`
  | { op: 'chdir'; path: string } // and proves by getcwd that it is inside the root (CVE-2024-21626)
  | { op: 'resolve-exec'; candidates: readonly string[] } // the first that is an executable regular file; else EACCES if one exists, else ENOENT
  | { op: 'close-fds'; from?: number } // close_range(from, ~0, CLOSE_RANGE_CLOEXEC); 3 unless descriptors are preserved
  | { op: 'await-start' } // tells the shim "created" and waits for its word; a closed channel ends the child
  | { op: 'exec'; argv: readonly string[]; env: readonly string[] } // of what resolve-exec found
  // Two stages, and the spawner's part in between.
  | { op: 'clone'; flags: number } // clone3(flags|CLONE_PARENT): the copy goes on with all slots, the original tells its pid and ends. For user and time namespaces, which want work on the host before and a birth after
  | { op: 'sync'; point: SyncPoint } // tells the spawner, waits for its word; what follows the word's first byte is kept for run-hook
  | { op: 'run-hook'; path: string; argv: readonly string[]; env: readonly string[]; timeoutSeconds: number } // fork, execve, the kept state on its standard input; 0 waits for ever; a non-zero exit is ECANCELED, a late one ETIMEDOUT
  | { op: 'open-host'; slot: Slot; path: string; flags: number } // open(path, flags|O_CLOEXEC) in the present root, links followed
  | { op: 'connect-unix'; slot: Slot; path: string } // a connected SOCK_STREAM
  | { op: 'await-fifo'; fifo: Slot; status: Slot } // like await-start, but the word (ended by a NUL) comes through a FIFO, and a failure after it is told as `u32 step, u32 errno` through another
  | { op: 'make-user-namespace'; slot: Slot; uidMap: string; gidMap: string } // a namespace with these maps and nobody in it, for idmapped mounts
  | {
      op: 'scheduler'
      policy: number
      flags: bigint
      nice: number
      priority: number
      runtime: bigint
      deadline: bigint
      period: bigint
    } // sched_setattr(2)
  | { op: 'io-priority'; value: number } // ioprio_set(2) of this process: class << 13 | priority
  | { op: 'memory-policy'; mode: number; nodes: Uint8Array } // set_mempolicy(2), flags in `mode`; a bit a node, little-endian
  | { op: 'personality'; persona: number }
  | { op: 'cpu-affinity'; mask: Uint8Array } // sched_setaffinity(2), a bit a processor
  | { op: 'reconfigure'; slot: Slot; options: readonly (readonly [key: string, value: string | undefined])[] } // fspick, fsconfig…, FSCONFIG_CMD_RECONFIGURE of the file system mounted there
  | { op: 'copy-tree'; from: Slot; to: Slot } // what is in one directory into another, with owners, modes, times, links, nodes and extended attributes (tmpcopyup)
  | { op: 'move-root'; root: Slot } // --no-pivot: covers other /proc and /sys mounts, mount(".", "/", MS_MOVE), chroot
  | { op: 'chroot'; root: Slot } // without a mount namespace: fchdir, chroot, chdir("/")
  | { op: 'reopen-null' } // standard streams that are the host's /dev/null (char 1:3) become that of the present root
  | { op: 'own-streams'; uid: number; gid: number } // fchown(2) of standard streams that are pipes

export type StepOp = StepBody['op']

/** What the shim makes a process of. Compiled by runtime/ from an OCI spec; pure data. */
export interface ProcessPlan {
  /** Flags of clone3(2): the namespaces to make. */
  cloneFlags: number
  /** The child is born in the PID namespace of the container's first process (exec): the shim sets pid_for_children around clone3. */
  joinInitPidNamespace: boolean
  /** The child is born in this PID namespace, another container's: the shim joins it around clone3. Not together with `joinInitPidNamespace`. */
  pidNamespacePath?: string
  /** cgroup v2 directory for CLONE_INTO_CGROUP; undefined where steps move the process (v1). */
  cgroupDirectory: string | undefined
  terminal: boolean
  /** A pipe is made for standard input; otherwise it reads /dev/null. Ignored with a terminal. */
  stdin: boolean
  steps: readonly Step[]
}
