// Numbers of the kernel's interface (x86_64 and aarch64 agree on all of these), each under its name in the man pages.

export const CLONE_NEWTIME = 0x80
export const CLONE_FS = 0x200
export const CLONE_NEWNS = 0x20000
export const CLONE_NEWCGROUP = 0x2000000
export const CLONE_NEWUTS = 0x4000000
export const CLONE_NEWIPC = 0x8000000
export const CLONE_NEWUSER = 0x10000000
export const CLONE_NEWPID = 0x20000000
export const CLONE_NEWNET = 0x40000000

export const MS_RDONLY = 0x1
export const MS_NOSUID = 0x2
export const MS_NODEV = 0x4
export const MS_NOEXEC = 0x8
export const MS_SYNCHRONOUS = 0x10
export const MS_REMOUNT = 0x20
export const MS_DIRSYNC = 0x80
export const MS_NOATIME = 0x400
export const MS_NODIRATIME = 0x800
export const MS_BIND = 0x1000
export const MS_REC = 0x4000
export const MS_UNBINDABLE = 0x20000
export const MS_PRIVATE = 0x40000
export const MS_SLAVE = 0x80000
export const MS_SHARED = 0x100000
export const MS_RELATIME = 0x200000
export const MS_STRICTATIME = 0x1000000

export const MNT_FORCE = 0x1
export const MNT_DETACH = 0x2
export const UMOUNT_NOFOLLOW = 0x8

export const MOUNT_ATTR_RDONLY = 0x1
export const MOUNT_ATTR_NOSUID = 0x2
export const MOUNT_ATTR_NODEV = 0x4
export const MOUNT_ATTR_NOEXEC = 0x8
/** The mask of the three access time modes; relatime is the zero of it. */
export const MOUNT_ATTR__ATIME = 0x70
export const MOUNT_ATTR_RELATIME = 0x0
export const MOUNT_ATTR_NOATIME = 0x10
export const MOUNT_ATTR_STRICTATIME = 0x20
export const MOUNT_ATTR_NODIRATIME = 0x80
export const MOUNT_ATTR_IDMAP = 0x100000
export const MOUNT_ATTR_NOSYMFOLLOW = 0x200000

export const FSOPEN_CLOEXEC = 0x1
export const FSMOUNT_CLOEXEC = 0x1
export const FSCONFIG_SET_FLAG = 0
export const FSCONFIG_SET_STRING = 1
export const FSCONFIG_SET_FD = 5
export const FSCONFIG_CMD_CREATE = 6

export const OPEN_TREE_CLONE = 0x1
export const OPEN_TREE_CLOEXEC = 0x80000
export const MOVE_MOUNT_F_SYMLINKS = 0x1
export const MOVE_MOUNT_F_EMPTY_PATH = 0x4
export const MOVE_MOUNT_T_SYMLINKS = 0x10
export const MOVE_MOUNT_T_EMPTY_PATH = 0x40

/** A path is taken from the working directory. */
export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const AT_SYMLINK_FOLLOW = 0x400
export const AT_EMPTY_PATH = 0x1000
export const AT_RECURSIVE = 0x8000

export const RESOLVE_NO_XDEV = 0x1
export const RESOLVE_NO_MAGICLINKS = 0x2
export const RESOLVE_NO_SYMLINKS = 0x4
export const RESOLVE_BENEATH = 0x8
export const RESOLVE_IN_ROOT = 0x10
/** Fails with EAGAIN where anything would have to be waited for. */
export const RESOLVE_CACHED = 0x20

export const O_RDONLY = 0x0
export const O_WRONLY = 0x1
export const O_RDWR = 0x2
export const O_CREAT = 0x40
export const O_EXCL = 0x80
export const O_NOCTTY = 0x100
export const O_TRUNC = 0x200
export const O_APPEND = 0x400
export const O_NONBLOCK = 0x800
export const O_CLOEXEC = 0x80000
export const O_PATH = 0x200000
/** These two differ between x86_64 and aarch64. */
export const O_DIRECTORY = process.arch === 'arm64' ? 0x4000 : 0x10000
export const O_NOFOLLOW = process.arch === 'arm64' ? 0x8000 : 0x20000

export const S_IFMT = 0o170000
export const S_IFREG = 0o100000
export const S_IFDIR = 0o040000
export const S_IFCHR = 0o020000
export const S_IFBLK = 0o060000
export const S_IFIFO = 0o010000

export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2
export const RENAME_WHITEOUT = 4

export const MFD_CLOEXEC = 1
export const MFD_ALLOW_SEALING = 2

export const PR_SET_PDEATHSIG = 1
export const PR_SET_DUMPABLE = 4
export const PR_SET_KEEPCAPS = 8
export const PR_SET_NAME = 15
export const PR_CAPBSET_READ = 23
export const PR_CAPBSET_DROP = 24
export const PR_SET_CHILD_SUBREAPER = 36
export const PR_SET_NO_NEW_PRIVS = 38

export const LOCK_SH = 1
export const LOCK_EX = 2
export const LOCK_NB = 4
export const LOCK_UN = 8

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_NETLINK = 16
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000
export const MSG_DONTWAIT = 0x40
export const MSG_TRUNC = 0x20
export const MSG_NOSIGNAL = 0x4000
export const POLLIN = 1

/** statfs(2) f_type. */
export const PROC_SUPER_MAGIC = 0x9fa0
export const CGROUP2_SUPER_MAGIC = 0x63677270
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630
