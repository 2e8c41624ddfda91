// The kernel as typed functions. native-kernel.ts speaks to it over an FFI, recording-kernel.ts is the twin for tests.
// All calls are synchronous (microseconds); what can block for long is named async.

/** A file descriptor number of this process. Who opens it closes it. */
export type Fd = number

/** `fsopen`/`fsconfig`/`fsmount` in one: the result is a detached mount that vanishes with its last descriptor. */
export interface DetachedMountRequest {
  fstype: string
  source?: string
  /** fsconfig(2) takes at most 255 bytes a value: overlay's layers are given one by one as `lowerdir+` (kernel 6.7). */
  options: readonly (readonly [key: string, value: string | undefined])[]
  /** MOUNT_ATTR_* flags. */
  attributes: number
}

/** openat2(2). `resolve` are RESOLVE_* flags; O_CLOEXEC is always added. */
export interface OpenRequest {
  flags: number
  mode?: number
  resolve?: number
}

/** Every method throws KernelError. */
export interface Kernel {
  mount(source: string | undefined, target: string, fstype: string | undefined, flags: number, data?: string): void
  umount(target: string, flags: number): void
  /** fsopen + fsconfig + fsmount; kernel 5.2. */
  mountDetached(request: DetachedMountRequest): Fd
  /** open_tree(2); kernel 5.2. */
  openTree(directory: Fd, path: string, flags: number): Fd
  /** move_mount(2) with empty paths allowed; kernel 5.2. */
  moveMount(from: Fd, fromPath: string, to: Fd, toPath: string, flags: number): void
  /** mount_setattr(2); kernel 5.12. */
  mountSetattr(
    directory: Fd,
    path: string,
    flags: number,
    attributes: { set: bigint; clear: bigint; propagation: bigint; userNamespace?: Fd },
  ): void
  openat2(directory: Fd, path: string, request: OpenRequest): Fd
  mkdirat(directory: Fd, path: string, mode: number): void
  mknod(path: string, mode: number, device: { major: number; minor: number }): void
  setns(fd: Fd, kind: number): void
  unshare(kinds: number): void
  chroot(path: string): void
  getxattr(path: string, name: string): Uint8Array | undefined
  lgetxattr(path: string, name: string): Uint8Array | undefined
  llistxattr(path: string): string[]
  lsetxattr(path: string, name: string, value: Uint8Array): void
  fsetxattr(fd: Fd, name: string, value: Uint8Array): void
  /** socket(2), bind(2) of AF_NETLINK and AF_INET kinds that Node has no name for. */
  socket(domain: number, type: number, protocol: number): Fd
  /** `address` is the whole struct sockaddr. */
  bind(fd: Fd, address: Uint8Array): void
  connect(fd: Fd, address: Uint8Array): void
  listen(fd: Fd, backlog: number): void
  /** The bound struct sockaddr. */
  getsockname(fd: Fd): Uint8Array
  setsockopt(fd: Fd, level: number, option: number, value: Uint8Array): void
  /** A copy of the option's value, at most `sizeMax` bytes. */
  getsockopt(fd: Fd, level: number, option: number, sizeMax: number): Uint8Array
  send(fd: Fd, bytes: Uint8Array): void
  /** One datagram; blocks at most `timeoutMs`, then EAGAIN. A datagram above `sizeMax` is EOVERFLOW, and lost. */
  receive(fd: Fd, sizeMax: number, timeoutMs: number): Uint8Array
  close(fd: Fd): void
  kill(pid: number, signal: number): void
  pidfdOpen(pid: number): Fd
  pidfdSendSignal(pidfd: Fd, signal: number): void
  prctl(option: number, arg2: bigint): number
  memfdCreate(name: string, flags: number): Fd
  flock(fd: Fd, operation: number): void
  /** Writes back the file system that holds the descriptor. May block for long. */
  syncfs(fd: Fd): void
  /** ioctl(2); `argument` is a number or a buffer that the kernel reads or fills. */
  ioctl(fd: Fd, request: number, argument: number | Uint8Array): number
  /** bpf(2): `attributes` is union bpf_attr, with the addresses of `addressOf` in it. */
  bpf(command: number, attributes: Uint8Array): number
  /** Where a buffer lies, for the structures of ioctl and bpf that hold pointers. The caller keeps the buffer alive. */
  addressOf(bytes: Uint8Array): bigint

  // What Node's fs lacks on descriptors. A path may be empty where `flags` has AT_EMPTY_PATH.
  mknodat(directory: Fd, path: string, mode: number, device: { major: number; minor: number }): void
  linkat(fromDirectory: Fd, from: string, toDirectory: Fd, to: string, flags: number): void
  symlinkat(target: string, directory: Fd, path: string): void
  readlinkat(directory: Fd, path: string): string
  unlinkat(directory: Fd, path: string, flags: number): void
  renameat2(fromDirectory: Fd, from: string, toDirectory: Fd, to: string, flags: number): void
  /** -1 leaves an id as it is. */
  fchownat(directory: Fd, path: string, uid: number, gid: number, flags: number): void
  fchmodat(directory: Fd, path: string, mode: number): void
  /** Nanoseconds since the epoch; undefined leaves a time as it is. */
  utimensat(
    directory: Fd,
    path: string,
    times: { accessedNs: bigint | undefined; modifiedNs: bigint | undefined },
    flags: number,
  ): void
  fgetxattr(fd: Fd, name: string): Uint8Array | undefined
  lremovexattr(path: string, name: string): void
}

export { AT_FDCWD } from './constants.ts'
