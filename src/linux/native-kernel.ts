// The kernel itself: every call of the Kernel interface over the FFI.
import {
  AT_FDCWD,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  O_CLOEXEC,
  OPEN_TREE_CLOEXEC,
  POLLIN,
  SOCK_CLOEXEC,
} from './constants.ts'
import { ERRNO, hasErrno, KernelError } from './kernel-error.ts'
import type { DetachedMountRequest, Fd, Kernel, OpenRequest } from './kernel.ts'
import { addressOf, checked, cString, errno, libcFunction, libcIntFunction, systemCall } from './libc.ts'

const c = {
  mount: libcIntFunction('mount', 'str', 'str', 'str', 'ulong', 'str'),
  umount2: libcIntFunction('umount2', 'str', 'int'),
  fsopen: systemCall('fsopen', 'str', 'uint'),
  fsconfig: systemCall('fsconfig', 'int', 'uint', 'str', 'str', 'int'),
  fsmount: systemCall('fsmount', 'int', 'uint', 'uint'),
  openTree: systemCall('open_tree', 'int', 'str', 'uint'),
  moveMount: systemCall('move_mount', 'int', 'str', 'int', 'str', 'uint'),
  mountSetattr: systemCall('mount_setattr', 'int', 'str', 'uint', 'ptr', 'size_t'),
  openat2: systemCall('openat2', 'int', 'str', 'ptr', 'size_t'),
  mkdirat: libcIntFunction('mkdirat', 'int', 'str', 'uint'),
  mknodat: libcIntFunction('mknodat', 'int', 'str', 'uint', 'ulong'),
  linkat: libcIntFunction('linkat', 'int', 'str', 'int', 'str', 'int'),
  symlinkat: libcIntFunction('symlinkat', 'str', 'int', 'str'),
  readlinkat: libcFunction('readlinkat', 'int', 'str', 'ptr', 'size_t'),
  unlinkat: libcIntFunction('unlinkat', 'int', 'str', 'int'),
  renameat2: libcIntFunction('renameat2', 'int', 'str', 'int', 'str', 'uint'),
  fchownat: libcIntFunction('fchownat', 'int', 'str', 'uint', 'uint', 'int'),
  fchmodat: libcIntFunction('fchmodat', 'int', 'str', 'uint', 'int'),
  utimensat: libcIntFunction('utimensat', 'int', 'str', 'ptr', 'int'),
  setns: libcIntFunction('setns', 'int', 'int'),
  unshare: libcIntFunction('unshare', 'int'),
  chroot: libcIntFunction('chroot', 'str'),
  getxattr: libcFunction('getxattr', 'str', 'str', 'ptr', 'size_t'),
  lgetxattr: libcFunction('lgetxattr', 'str', 'str', 'ptr', 'size_t'),
  fgetxattr: libcFunction('fgetxattr', 'int', 'str', 'ptr', 'size_t'),
  llistxattr: libcFunction('llistxattr', 'str', 'ptr', 'size_t'),
  lsetxattr: libcIntFunction('lsetxattr', 'str', 'str', 'ptr', 'size_t', 'int'),
  fsetxattr: libcIntFunction('fsetxattr', 'int', 'str', 'ptr', 'size_t', 'int'),
  lremovexattr: libcIntFunction('lremovexattr', 'str', 'str'),
  socket: libcIntFunction('socket', 'int', 'int', 'int'),
  bind: libcIntFunction('bind', 'int', 'ptr', 'uint'),
  connect: libcIntFunction('connect', 'int', 'ptr', 'uint'),
  listen: libcIntFunction('listen', 'int', 'int'),
  getsockname: libcIntFunction('getsockname', 'int', 'ptr', 'ptr'),
  setsockopt: libcIntFunction('setsockopt', 'int', 'int', 'int', 'ptr', 'uint'),
  getsockopt: libcIntFunction('getsockopt', 'int', 'int', 'int', 'ptr', 'ptr'),
  send: libcFunction('send', 'int', 'ptr', 'size_t', 'int'),
  recv: libcFunction('recv', 'int', 'ptr', 'size_t', 'int'),
  poll: libcIntFunction('poll', 'ptr', 'ulong', 'int'),
  close: libcIntFunction('close', 'int'),
  kill: libcIntFunction('kill', 'int', 'int'),
  flock: libcIntFunction('flock', 'int', 'int'),
  syncfs: libcIntFunction('syncfs', 'int'),
  pidfdOpen: systemCall('pidfd_open', 'int', 'uint'),
  pidfdSendSignal: systemCall('pidfd_send_signal', 'int', 'int', 'ptr', 'uint'),
  prctl: libcIntFunction('prctl', 'int', 'ulong', 'ulong', 'ulong', 'ulong'),
  memfdCreate: libcIntFunction('memfd_create', 'str', 'uint'),
  ioctlNumber: libcIntFunction('ioctl', 'int', 'ulong', 'ulong'),
  ioctlBuffer: libcIntFunction('ioctl', 'int', 'ulong', 'ptr'),
  bpf: systemCall('bpf', 'int', 'ptr', 'uint'),
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX. Shared by all calls: they are synchronous, and each copies out what it found. */
const scratch = new Uint8Array(65536)
const openHow = new BigUint64Array(3)
const pollFd = new Int32Array(2)

const kernel: Kernel = {
  mount(source, target, fstype, flags, data) {
    const call = 'mount'
    const result = c.mount(
      source === undefined ? null : cString(source, call),
      cString(target, call),
      fstype === undefined ? null : cString(fstype, call),
      flags,
      data === undefined ? null : cString(data, call),
    )
    checked(result, call, target)
  },
  umount(target, flags) {
    checked(c.umount2(cString(target, 'umount'), flags), 'umount', target)
  },
  mountDetached,
  openTree(directory, path, flags) {
    const result = c.openTree(directory, cString(path, 'open_tree'), flags | OPEN_TREE_CLOEXEC)
    return checked(result, 'open_tree', path)
  },
  moveMount(from, fromPath, to, toPath, flags) {
    const call = 'move_mount'
    const empty = (fromPath === '' ? MOVE_MOUNT_F_EMPTY_PATH : 0) | (toPath === '' ? MOVE_MOUNT_T_EMPTY_PATH : 0)
    const result = c.moveMount(from, cString(fromPath, call), to, cString(toPath, call), flags | empty)
    checked(result, call, toPath)
  },
  mountSetattr(directory, path, flags, { set, clear, propagation, userNamespace = 0 }) {
    const attributes = new BigUint64Array([set, clear, propagation, BigInt(userNamespace)])
    const call = 'mount_setattr'
    checked(c.mountSetattr(directory, cString(path, call), flags, bytesOf(attributes), 32), call, path)
  },
  openat2(directory, path, request: OpenRequest) {
    openHow[0] = BigInt(request.flags | O_CLOEXEC)
    openHow[1] = BigInt(request.mode ?? 0)
    openHow[2] = BigInt(request.resolve ?? 0)
    return checked(c.openat2(directory, cString(path, 'openat2'), bytesOf(openHow), 24), 'openat2', path)
  },

  mkdirat(directory, path, mode) {
    checked(c.mkdirat(directory, cString(path, 'mkdirat'), mode), 'mkdirat', path)
  },
  mknod(path, mode, device) {
    checked(c.mknodat(AT_FDCWD, cString(path, 'mknod'), mode, deviceNumber(device)), 'mknod', path)
  },
  mknodat(directory, path, mode, device) {
    checked(c.mknodat(directory, cString(path, 'mknodat'), mode, deviceNumber(device)), 'mknodat', path)
  },
  linkat(fromDirectory, from, toDirectory, to, flags) {
    const result = c.linkat(fromDirectory, cString(from, 'linkat'), toDirectory, cString(to, 'linkat'), flags)
    checked(result, 'linkat', to)
  },
  symlinkat(target, directory, path) {
    checked(c.symlinkat(cString(target, 'symlinkat'), directory, cString(path, 'symlinkat')), 'symlinkat', path)
  },
  readlinkat(directory, path) {
    const size = checked(
      c.readlinkat(directory, cString(path, 'readlinkat'), scratch, scratch.length),
      'readlinkat',
      path,
    )
    return textOf(scratch.subarray(0, size))
  },
  unlinkat(directory, path, flags) {
    checked(c.unlinkat(directory, cString(path, 'unlinkat'), flags), 'unlinkat', path)
  },
  renameat2(fromDirectory, from, toDirectory, to, flags) {
    const call = 'renameat2'
    checked(c.renameat2(fromDirectory, cString(from, call), toDirectory, cString(to, call), flags), call, to)
  },
  fchownat(directory, path, uid, gid, flags) {
    checked(c.fchownat(directory, cString(path, 'fchownat'), uid >>> 0, gid >>> 0, flags), 'fchownat', path)
  },
  fchmodat(directory, path, mode) {
    checked(c.fchmodat(directory, cString(path, 'fchmodat'), mode, 0), 'fchmodat', path)
  },
  utimensat(directory, path, times, flags) {
    const spec = new BigInt64Array([...timespec(times.accessedNs), ...timespec(times.modifiedNs)])
    checked(c.utimensat(directory, cString(path, 'utimensat'), bytesOf(spec), flags), 'utimensat', path)
  },

  setns(fd, kind) {
    checked(c.setns(fd, kind), 'setns', '')
  },
  unshare(kinds) {
    checked(c.unshare(kinds), 'unshare', '')
  },
  chroot(path) {
    checked(c.chroot(cString(path, 'chroot')), 'chroot', path)
  },

  getxattr(path, name) {
    const call = 'getxattr'
    return attribute(c.getxattr(cString(path, call), cString(name, call), scratch, scratch.length), call, path)
  },
  lgetxattr(path, name) {
    const call = 'lgetxattr'
    return attribute(c.lgetxattr(cString(path, call), cString(name, call), scratch, scratch.length), call, path)
  },
  fgetxattr(fd, name) {
    return attribute(c.fgetxattr(fd, cString(name, 'fgetxattr'), scratch, scratch.length), 'fgetxattr', name)
  },
  llistxattr(path) {
    const size = c.llistxattr(cString(path, 'llistxattr'), scratch, scratch.length)
    if (size < 0 && errno() === ERRNO.EOPNOTSUPP) return []
    checked(size, 'llistxattr', path)
    return textOf(scratch.subarray(0, size)).split('\0').slice(0, -1)
  },
  lsetxattr(path, name, value) {
    const call = 'lsetxattr'
    checked(c.lsetxattr(cString(path, call), cString(name, call), value, value.length, 0), call, path)
  },
  fsetxattr(fd, name, value) {
    checked(c.fsetxattr(fd, cString(name, 'fsetxattr'), value, value.length, 0), 'fsetxattr', name)
  },
  lremovexattr(path, name) {
    checked(c.lremovexattr(cString(path, 'lremovexattr'), cString(name, 'lremovexattr')), 'lremovexattr', path)
  },

  socket(domain, type, protocol) {
    return checked(c.socket(domain, type | SOCK_CLOEXEC, protocol), 'socket', '')
  },
  bind(fd, address) {
    checked(c.bind(fd, address, address.length), 'bind', '')
  },
  connect(fd, address) {
    checked(c.connect(fd, address, address.length), 'connect', '')
  },
  listen(fd, backlog) {
    checked(c.listen(fd, backlog), 'listen', '')
  },
  getsockname(fd) {
    const size = new Int32Array([scratch.length])
    checked(c.getsockname(fd, scratch, size), 'getsockname', '')
    return scratch.slice(0, size[0])
  },
  setsockopt(fd, level, option, value) {
    checked(c.setsockopt(fd, level, option, value, value.length), 'setsockopt', '')
  },
  getsockopt(fd, level, option, sizeMax) {
    const size = new Int32Array([sizeMax])
    checked(c.getsockopt(fd, level, option, scratch, size), 'getsockopt', '')
    return scratch.slice(0, size[0])
  },
  send(fd, bytes) {
    const sent = checked(c.send(fd, bytes, bytes.length, MSG_NOSIGNAL), 'send', '')
    if (sent !== bytes.length) throw new KernelError('send', `${sent} of ${bytes.length} bytes`, ERRNO.EAGAIN)
  },
  receive,
  close(fd) {
    checked(c.close(fd), 'close', '')
  },

  kill(pid, signal) {
    checked(c.kill(pid, signal), 'kill', String(pid))
  },
  pidfdOpen(pid) {
    return checked(c.pidfdOpen(pid, 0), 'pidfd_open', String(pid))
  },
  pidfdSendSignal(pidfd, signal) {
    checked(c.pidfdSendSignal(pidfd, signal, null, 0), 'pidfd_send_signal', '')
  },
  prctl(option, arg2) {
    return checked(c.prctl(option, arg2, 0, 0, 0), 'prctl', String(option))
  },
  memfdCreate(name, flags) {
    return checked(c.memfdCreate(cString(name, 'memfd_create'), flags | 1), 'memfd_create', name)
  },
  flock(fd, operation) {
    checked(c.flock(fd, operation), 'flock', '')
  },
  syncfs(fd) {
    checked(c.syncfs(fd), 'syncfs', '')
  },
  ioctl(fd, request, argument) {
    const result =
      typeof argument === 'number' ? c.ioctlNumber(fd, request, argument) : c.ioctlBuffer(fd, request, argument)
    return checked(result, 'ioctl', `0x${request.toString(16)}`)
  },
  bpf(command, attributes) {
    return checked(c.bpf(command, attributes, attributes.length), 'bpf', '')
  },
  addressOf,
}

/** The kernel of this machine, for this process. Needs no closing. */
export function openNativeKernel(): Kernel {
  return kernel
}

function mountDetached(request: DetachedMountRequest): Fd {
  const { fstype } = request
  const context = checked(c.fsopen(cString(fstype, 'fsopen'), FSOPEN_CLOEXEC), 'fsopen', fstype)
  try {
    if (request.source !== undefined) configure(context, fstype, 'source', request.source)
    for (const [key, value] of request.options) configure(context, fstype, key, value)
    explained(c.fsconfig(context, FSCONFIG_CMD_CREATE, null, null, 0), context, 'fsconfig', fstype)
    return explained(c.fsmount(context, FSMOUNT_CLOEXEC, request.attributes), context, 'fsmount', fstype)
  } finally {
    c.close(context)
  }
}

function configure(context: Fd, fstype: string, key: string, value: string | undefined): void {
  const call = 'fsconfig'
  const result =
    value === undefined
      ? c.fsconfig(context, FSCONFIG_SET_FLAG, cString(key, call), null, 0)
      : c.fsconfig(context, FSCONFIG_SET_STRING, cString(key, call), cString(value, call), 0)
  explained(result, context, call, `${fstype} ${key}`)
}

/** The context's descriptor, read, gives the file system's own words on what it did not like; errno says only EINVAL. */
function explained(result: number, context: Fd, call: string, target: string): number {
  if (result >= 0) return result
  const failed = errno()
  const size = libcRead(context, scratch, 1024)
  const words = size > 0 ? textOf(scratch.subarray(0, size)).trim().slice(0, 300) : ''
  throw new KernelError(call, words === '' ? target : `${target} (${words.replace(/^[eiw] /, '')})`, failed)
}

const libcRead = libcFunction('read', 'int', 'ptr', 'size_t')

function receive(fd: Fd, sizeMax: number, timeoutMs: number): Uint8Array {
  const datagram = new Uint8Array(sizeMax)
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      // Netlink answers while it is asked, so the datagram is nearly always there already.
      const size = checked(c.recv(fd, datagram, sizeMax, MSG_DONTWAIT | MSG_TRUNC), 'recv', '')
      if (size > sizeMax) throw new KernelError('recv', `a datagram of ${size} bytes`, ERRNO.EOVERFLOW)
      return datagram.subarray(0, size)
    } catch (error) {
      const leftMs = Math.ceil(deadline - performance.now())
      if (!hasErrno(error, 'EAGAIN', 'EINTR') || leftMs <= 0) throw error
      pollFd[0] = fd
      pollFd[1] = POLLIN // events in the lower half, revents zeroed in the upper; both machines are little-endian
      c.poll(pollFd, 1, leftMs)
    }
  }
}

function attribute(size: number, call: string, target: string): Uint8Array | undefined {
  // ENODATA: not set. EOPNOTSUPP: this file system has none.
  if (size < 0 && (errno() === ERRNO.ENODATA || errno() === ERRNO.EOPNOTSUPP)) return undefined
  return scratch.slice(0, checked(size, call, target))
}

/** glibc's makedev: twelve bits of major at 8, the rest at 32; eight bits of minor at 0, the rest at 20. */
function deviceNumber({ major, minor }: { major: number; minor: number }): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)]
  return ((high & ~0xfffn) << 32n) | ((high & 0xfffn) << 8n) | ((low & ~0xffn) << 12n) | (low & 0xffn)
}

const UTIME_OMIT = (1n << 30n) - 2n

function timespec(timeNs: bigint | undefined): [bigint, bigint] {
  if (timeNs === undefined) return [0n, UTIME_OMIT]
  const rest = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n // a time before 1970 has a positive rest
  return [(timeNs - rest) / 1_000_000_000n, rest]
}

function bytesOf(view: BigUint64Array | BigInt64Array): Uint8Array {
  return new Uint8Array(view.buffer)
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
