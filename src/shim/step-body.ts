// One step's arguments as bytes, in the order in which the function of native/steps*.c takes them.
import type { StepBody, StepOp } from '../linux/steps.ts'
import type { PlanWriter } from './plan-writer.ts'

/** The step's number; the order of src/linux/steps.ts and of the table in native/steps.c. */
export const STEP_NUMBER: Record<StepOp, number> = {
  setns: 1,
  'setns-init': 2,
  unshare: 3,
  setsid: 4,
  prctl: 5,
  sethostname: 6,
  setdomainname: 7,
  'session-keyring': 8,
  rlimit: 9,
  umask: 10,
  'set-ids': 11,
  'cap-bounding': 12,
  'cap-set': 13,
  'cap-ambient': 14,
  seccomp: 15,
  'loopback-up': 16,
  'write-file': 17,
  'open-in-root': 18,
  'make-path': 19,
  mknod: 20,
  symlink: 21,
  close: 22,
  propagation: 23,
  'fs-mount': 24,
  'open-tree': 25,
  'mount-setattr': 26,
  'move-mount': 27,
  'move-mount-to-path': 28,
  mask: 29,
  'pivot-root': 30,
  pty: 31,
  chdir: 32,
  'resolve-exec': 33,
  'close-fds': 34,
  'await-start': 35,
  exec: 36,
  'open-tree-of': 37,
  clone: 38,
  sync: 39,
  'run-hook': 40,
  'open-host': 41,
  'connect-unix': 42,
  'await-fifo': 43,
  'make-user-namespace': 44,
  scheduler: 45,
  'io-priority': 46,
  'memory-policy': 47,
  personality: 48,
  'cpu-affinity': 49,
  reconfigure: 50,
  'copy-tree': 51,
  'move-root': 52,
  chroot: 53,
  'reopen-null': 54,
  'own-streams': 55,
}

type Encode<Op extends StepOp> = (step: Extract<StepBody, { op: Op }>, w: PlanWriter) => void

function nothing(): void {
  // The step has no arguments.
}

const ENCODE: { [Op in StepOp]: Encode<Op> } = {
  setns: (s, w) => w.text(s.path).u32(s.kind),
  'setns-init': (s, w) => w.u32(s.kinds),
  unshare: (s, w) => w.u32(s.kinds),
  setsid: nothing,
  prctl: (s, w) =>
    w
      .u32(s.option)
      .u64(s.arg2)
      .u64(s.arg3 ?? 0n)
      .u64(s.arg4 ?? 0n)
      .u64(s.arg5 ?? 0n),
  sethostname: (s, w) => w.text(s.name),
  setdomainname: (s, w) => w.text(s.name),
  'session-keyring': (s, w) => w.text(s.name),
  rlimit: (s, w) => w.u32(s.resource).u64(s.soft).u64(s.hard),
  umask: (s, w) => w.u32(s.mask),
  'set-ids': (s, w) =>
    w
      .u32(s.uid)
      .u32(s.gid)
      .u32s(s.groups ?? [])
      .flag(s.groups === undefined),
  'cap-bounding': (s, w) => w.u64(s.keep),
  'cap-set': (s, w) => w.u64(s.effective).u64(s.permitted).u64(s.inheritable),
  'cap-ambient': (s, w) => w.u64(s.set),
  seccomp: (s, w) => w.u32(s.flags).bytes(s.program),
  'loopback-up': nothing,
  'write-file': (s, w) => w.slot(s.dir).text(s.path).bytes(Buffer.from(s.data)),
  'open-in-root': (s, w) => w.slot(s.slot).slot(s.root).text(s.path).u32(s.flags),
  'make-path': (s, w) =>
    w
      .slot(s.slot)
      .slot(s.root)
      .text(s.path)
      .flag(s.kind === 'file')
      .u32(s.mode),
  mknod: (s, w) => w.slot(s.dir).text(s.name).u32(s.mode).u32(s.major).u32(s.minor).u32(s.uid).u32(s.gid),
  symlink: (s, w) => w.slot(s.dir).text(s.name).text(s.target),
  close: (s, w) => w.slot(s.slot),
  propagation: (s, w) => w.text(s.path).u32(s.flags),
  'fs-mount': (s, w) => {
    w.slot(s.slot).text(s.fstype).optionalText(s.source).u32(s.attributes).u16(s.options.length)
    for (const [key, value] of s.options) w.text(key).optionalText(value)
  },
  'open-tree': (s, w) => w.slot(s.slot).slot(s.dir).text(s.path).flag(s.recursive),
  'open-tree-of': (s, w) => w.slot(s.slot).text(s.namespace).text(s.path).flag(s.recursive),
  'mount-setattr': (s, w) => w.slot(s.slot).u64(s.set).u64(s.clear).u64(s.propagation).flag(s.recursive).slot(s.userns),
  'move-mount': (s, w) => w.slot(s.from).slot(s.to),
  'move-mount-to-path': (s, w) => w.slot(s.from).text(s.path),
  mask: (s, w) => w.slot(s.target).slot(s.file).slot(s.directory),
  'pivot-root': (s, w) => w.slot(s.root),
  pty: (s, w) => w.slot(s.devpts).slot(s.console).u16(s.rows).u16(s.columns).u32(s.uid).u32(s.gid).slot(s.socket),
  chdir: (s, w) => w.text(s.path),
  'resolve-exec': (s, w) => {
    w.u16(s.candidates.length)
    for (const candidate of s.candidates) w.text(candidate)
  },
  'close-fds': (s, w) => w.u32(s.from ?? 3),
  'await-start': nothing,
  exec: (s, w) => w.texts(s.argv).texts(s.env),
  clone: (s, w) => w.u64(BigInt(s.flags)),
  sync: (s, w) => w.u32(s.point),
  'run-hook': (s, w) => w.text(s.path).texts(s.argv).texts(s.env).u32(s.timeoutSeconds),
  'open-host': (s, w) => w.slot(s.slot).text(s.path).u32(s.flags),
  'connect-unix': (s, w) => w.slot(s.slot).text(s.path),
  'await-fifo': (s, w) => w.slot(s.fifo).slot(s.status),
  'make-user-namespace': (s, w) => w.slot(s.slot).text(s.uidMap).text(s.gidMap),
  scheduler: (s, w) =>
    w
      .u32(s.policy)
      .u64(s.flags)
      .u32(s.nice >>> 0)
      .u32(s.priority)
      .u64(s.runtime)
      .u64(s.deadline)
      .u64(s.period),
  'io-priority': (s, w) => w.u32(s.value),
  'memory-policy': (s, w) => w.u32(s.mode).bytes(s.nodes),
  personality: (s, w) => w.u32(s.persona),
  'cpu-affinity': (s, w) => w.bytes(s.mask),
  reconfigure: (s, w) => {
    w.slot(s.slot).u16(s.options.length)
    for (const [key, value] of s.options) w.text(key).optionalText(value)
  },
  'copy-tree': (s, w) => w.slot(s.from).slot(s.to),
  'move-root': (s, w) => w.slot(s.root),
  chroot: (s, w) => w.slot(s.root),
  'reopen-null': nothing,
  'own-streams': (s, w) => w.u32(s.uid).u32(s.gid),
}

/** Writes the arguments of `step`. */
export function writeStepBody<Op extends StepOp>(step: Extract<StepBody, { op: Op }>, writer: PlanWriter): void {
  const encode: Encode<Op> = ENCODE[step.op as Op]
  encode(step, writer)
}
