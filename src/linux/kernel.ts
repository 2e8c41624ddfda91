// The kernel as typed functions. native-kernel.ts speaks to it over an FFI, recording-kernel.ts is the twin for tests.
// All calls are synchronous (microseconds); what can block for long is named async.

/** A file descriptor number of this process. Who opens it closes it. */
export type Fd = number

/** `fsopen`/`fsconfig`/`fsmount` in one: the result is a detached mount that vanishes with its last descriptor. */
export interface DetachedMountRequest {
  fstype: string
  source?: string
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
    attributes: { set: bigint; clear: bigint; propagation: bigint },
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
  send(fd: Fd, bytes: Uint8Array): void
  /** Blocks at most `timeoutMs` (SO_RCVTIMEO); one datagram. */
  receive(fd: Fd, sizeMax: number, timeoutMs: number): Uint8Array
  close(fd: Fd): void
  kill(pid: number, signal: number): void
  pidfdOpen(pid: number): Fd
  pidfdSendSignal(pidfd: Fd, signal: number): void
  prctl(option: number, arg2: bigint): number
  memfdCreate(name: string, flags: number): Fd
  /** File handles for `linkat`, `symlinkat`, `fchownat` and times that Node's fs lacks on descriptors are added here as they are needed. */
}

/** AT_FDCWD: a path is taken from the working directory. */
export const AT_FDCWD = -100
