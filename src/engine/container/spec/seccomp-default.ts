// What a container may ask of the kernel unless it is told otherwise: Docker's default policy, in our own form. A call that isn't
// here answers EPERM. Compared with Docker's own profile by seccomp-default.test.ts.
import type { SeccompRule } from '../../../oci/runtime-spec.ts'
import type { ProfileFilter, ProfileRule, SeccompProfile } from './seccomp-profile.ts'

type Argument = NonNullable<SeccompRule['args']>[number]

interface Conditions {
  args?: Argument[]
  includes?: ProfileFilter
  excludes?: ProfileFilter
}

function allow(names: string, conditions: Conditions = {}): ProfileRule {
  return { names: names.trim().split(/\s+/), action: 'SCMP_ACT_ALLOW', ...conditions }
}

function withCapability(name: string, names: string): ProfileRule {
  return allow(names, { includes: { caps: [name] } })
}

function argument(index: number, op: string, value: number): Conditions {
  return { args: [{ index, value, op }] }
}

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: what makes namespaces. */
const CLONE_NAMESPACES = 0x7e02_0000
const ENOSYS = 38

/** PER_LINUX, PER_LINUX32, UNAME26 with either, and the question which one it is. */
const PERSONALITIES = [0x0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff]

/** AF_ALG (38) lets containers at the kernel's crypto code, AF_VSOCK (40) past the network namespace to the hypervisor. */
const FAMILY_ALG = 38
/** Later ones by name, not as "above": the kernel takes 32 bits of the family, and 2^32+38 is above 40, too. */
const FAMILIES_AFTER_ALG = [39, 41, 42, 43, 44, 45]

const ALWAYS: readonly ProfileRule[] = [
  // Files: open, read, write, move data.
  allow(`
    close close_range copy_file_range creat dup dup2 dup3 fadvise64 fadvise64_64 fallocate fcntl fcntl64
    fdatasync flock fsync ftruncate ftruncate64 ioctl _llseek lseek memfd_create memfd_secret name_to_handle_at
    open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readv
    sendfile sendfile64 splice sync sync_file_range syncfs tee truncate truncate64 umask vmsplice write writev
  `),
  // Directories and names.
  allow(`
    chdir fchdir getcwd getdents getdents64 link linkat mkdir mkdirat mknod mknodat readlink readlinkat rename
    renameat renameat2 rmdir symlink symlinkat unlink unlinkat
  `),
  // Metadata.
  allow(`
    access cachestat chmod chown chown32 faccessat faccessat2 fchmod fchmodat fchmodat2 fchown fchown32 fchownat
    fgetxattr flistxattr fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 futimesat getxattr
    getxattrat lchown lchown32 lgetxattr listmount listxattr listxattrat llistxattr lremovexattr lsetxattr lstat
    lstat64 newfstatat removexattr removexattrat setxattr setxattrat stat stat64 statfs statfs64 statmount statx
    utime utimensat utimensat_time64 utimes
  `),
  // Events on files and descriptors.
  allow(`
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
    eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel
    io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect poll ppoll
    ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4
  `),
  // Sockets.
  allow(`
    accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64
    recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
  `),
  // Memory.
  allow(`
    brk madvise map_shadow_stack membarrier mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync
    munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages
  `),
  // Processes and threads.
  allow(`
    execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
    getcpu get_robust_list get_thread_area kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
    pause pidfd_open pidfd_send_signal prctl restart_syscall riscv_hwprobe rseq seccomp set_robust_list
    set_thread_area set_tid_address tgkill tkill uretprobe vfork wait4 waitid waitpid
  `),
  // Signals.
  allow(`
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
    rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn
  `),
  // Identity and sessions.
  allow(`
    capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp
    getpid getppid getresgid getresgid32 getresuid getresuid32 getsid gettid getuid getuid32 setfsgid setfsgid32
    setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpgid setregid setregid32 setresgid setresgid32
    setresuid setresuid32 setreuid setreuid32 setsid setuid setuid32
  `),
  // Limits, scheduling and accounting.
  allow(`
    getpriority getrlimit getrusage ioprio_get ioprio_set prlimit64 sched_getaffinity sched_getattr
    sched_getparam sched_get_priority_max sched_get_priority_min sched_getscheduler sched_rr_get_interval
    sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield
    setpriority setrlimit sysinfo times ugetrlimit uname
  `),
  // Time.
  allow(`
    adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
    clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create
    timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
    timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
  `),
  // Messages, semaphores, shared memory.
  allow(`
    ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
    mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt
    shmget
  `),
  // Randomness.
  allow(`
    getrandom
  `),
]

const SOCKETS: readonly ProfileRule[] = [
  allow('socket', argument(0, 'SCMP_CMP_LT', FAMILY_ALG)),
  ...FAMILIES_AFTER_ALG.map((family) => allow('socket', argument(0, 'SCMP_CMP_EQ', family))),
]

const BY_MACHINE: readonly ProfileRule[] = [
  // Before 4.8 a traced process could step around its filter.
  allow('ptrace process_vm_readv process_vm_writev', { includes: { minKernel: '4.8' } }),
  ...PERSONALITIES.map((value) => allow('personality', argument(0, 'SCMP_CMP_EQ', value))),
  allow('arch_prctl', { includes: { arches: ['amd64', 'x32'] } }),
  allow('modify_ldt', { includes: { arches: ['amd64', 'x32', 'x86'] } }),
  allow('arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls', {
    includes: { arches: ['arm', 'arm64'] },
  }),
]

const BY_CAPABILITY: readonly ProfileRule[] = [
  withCapability('CAP_DAC_READ_SEARCH', 'open_by_handle_at'),
  withCapability(
    'CAP_SYS_ADMIN',
    `bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules
    lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname
    sethostname setns syslog umount umount2 unshare`,
  ),
  // Processes and threads, yes; namespaces, no.
  allow('clone', {
    args: [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    excludes: { caps: ['CAP_SYS_ADMIN'] },
  }),
  // Its flags are in memory, where a filter can't look. ENOSYS sends a libc back to clone.
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS, excludes: { caps: ['CAP_SYS_ADMIN'] } },
  withCapability('CAP_SYS_BOOT', 'reboot'),
  withCapability('CAP_SYS_CHROOT', 'chroot'),
  withCapability('CAP_SYS_MODULE', 'delete_module finit_module init_module'),
  withCapability('CAP_SYS_PACCT', 'acct'),
  withCapability('CAP_SYS_PTRACE', 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace'),
  withCapability('CAP_SYS_RAWIO', 'ioperm iopl'),
  withCapability('CAP_SYS_TIME', 'clock_settime clock_settime64 settimeofday stime'),
  withCapability('CAP_SYS_TTY_CONFIG', 'vhangup'),
  withCapability('CAP_SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node'),
  withCapability('CAP_SYSLOG', 'syslog'),
  withCapability('CAP_BPF', 'bpf'),
  withCapability('CAP_PERFMON', 'perf_event_open'),
]

const profile: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [...ALWAYS, ...SOCKETS, ...BY_MACHINE, ...BY_CAPABILITY],
}

export function defaultProfile(): SeccompProfile {
  return profile
}
