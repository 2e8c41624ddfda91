// Device nodes, links and the console below /dev. Skipped where the spec binds a /dev that is not ours to fill.
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import { O_DIRECTORY, O_PATH, S_IFBLK, S_IFCHR, S_IFIFO } from '../linux/constants.ts'
import { capabilityMask } from '../linux/caps/capabilities.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import { ROOTFS_SLOT, type Slot } from '../linux/steps.ts'
import type { DeviceSpec, MountSpec } from '../oci/runtime-spec.ts'
import { containerPath, isBindMount } from './container-path.ts'
import { hasUserNamespace } from './plan-namespaces.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/** The devices that every container has (config-linux.md, "Default Devices"). */
export const DEFAULT_DEVICES: readonly DeviceSpec[] = [
  { path: '/dev/null', type: 'c', major: 1, minor: 3 },
  { path: '/dev/zero', type: 'c', major: 1, minor: 5 },
  { path: '/dev/full', type: 'c', major: 1, minor: 7 },
  { path: '/dev/random', type: 'c', major: 1, minor: 8 },
  { path: '/dev/urandom', type: 'c', major: 1, minor: 9 },
  { path: '/dev/tty', type: 'c', major: 5, minor: 0 },
]

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['ptmx', 'pts/ptmx'],
]

const TYPE_BITS: Record<DeviceSpec['type'], number> = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO }

/** What is there already stays as it is: the image's own node, or what a mount of the spec put in its place. */
const EXISTING = { skipOn: { errnos: [ERRNO.EEXIST], skip: 0 } }

export function checkDevices({ spec }: Pick<Input, 'spec'>): void {
  for (const [index, { path, type, major, minor }] of (spec.linux?.devices ?? []).entries()) {
    const field = `linux.devices[${index}]`
    if (!path.startsWith('/') || /(?:^|\/)(?:\.\.(?:\/|$)|\.?$)/.test(path))
      throw new Failure('invalid-argument', `${field}.path: ${quoted(path)} is not the absolute path of a file`)
    if (type === 'p') continue
    if (major === undefined) throw new Failure('invalid-argument', `${field}.major: must be given`)
    if (minor === undefined) throw new Failure('invalid-argument', `${field}.minor: must be given`)
    if (major < 0 || minor < 0)
      throw new Failure('invalid-argument', `${field}: ${major}:${minor} is no number of a device`)
  }
}

export function planDevices(list: StepList, input: Input): void {
  const mount = findDevMount(input)
  if (mount !== undefined && isBindMount(mount)) return
  const flags = O_PATH | O_DIRECTORY
  if (mount === undefined)
    list.add('make /dev', {
      op: 'make-path',
      slot: SLOT.dev,
      root: ROOTFS_SLOT,
      path: '/dev',
      kind: 'directory',
      mode: 0o755,
    })
  list.add('open /dev', { op: 'open-in-root', slot: SLOT.dev, root: ROOTFS_SLOT, path: '/dev', flags })

  const given = (input.spec.linux?.devices ?? []).map((device) => ({ ...device, path: posix.normalize(device.path) }))
  const devices = new Map([...DEFAULT_DEVICES, ...given].map((item) => [item.path, item]))
  const links = input.host.hasKcore === true ? [...LINKS, ['core', '/proc/kcore'] as const] : LINKS
  // What is a link in every container is none of the host's nodes: a privileged one would get the host's /dev/ptmx.
  for (const [name] of links) devices.delete(`/dev/${name}`)
  const isBound = cannotMakeNodes(input)
  for (const device of devices.values()) {
    if (isBound && device.type !== 'p') bindDevice(list, device)
    else makeDevice(list, device)
  }
  for (const [name, target] of links)
    list.add(`symlink /dev/${name}`, { op: 'symlink', dir: SLOT.dev, name, target, ...EXISTING })
  planConsole(list, input)
}

/** A node that a user namespace's root makes is none that opens, so it gets the host's. */
function cannotMakeNodes({ spec, host }: Input): boolean {
  return hasUserNamespace(spec) || (host.capabilities & capabilityMask(['CAP_MKNOD'])) === 0n
}

function planConsole(list: StepList, { spec }: Input): void {
  if (spec.process?.terminal !== true) return
  list.add('make /dev/console', {
    op: 'make-path',
    slot: SLOT.console,
    root: SLOT.dev,
    path: 'console',
    kind: 'file',
    mode: 0o600,
  })
}

/** The terminal's file system where no mount of the spec has left it in its slot. */
export function planDevpts(list: StepList, { spec }: Input): void {
  if (spec.process?.terminal !== true) return
  if (list.steps.some((step) => step.op === 'fs-mount' && step.slot === SLOT.devpts)) return
  const flags = O_PATH | O_DIRECTORY
  list.add('open /dev/pts', { op: 'open-in-root', slot: SLOT.devpts, root: ROOTFS_SLOT, path: '/dev/pts', flags })
}

function bindDevice(list: StepList, { path }: DeviceSpec): void {
  const sentence = `binding device node ${quoted(path)}`
  const [root, inside] = placeOf(path)
  list.add(sentence, { op: 'open-tree', slot: SLOT.source, path, recursive: false })
  list.add(sentence, { op: 'make-path', slot: SLOT.target, root, path: inside, kind: 'file', mode: 0 })
  list.add(sentence, { op: 'move-mount', from: SLOT.source, to: SLOT.target })
}

function makeDevice(list: StepList, device: DeviceSpec): void {
  const { path } = device
  const [root, inside] = placeOf(path)
  const parent = posix.dirname(inside)
  const isDirectlyInDev = root === SLOT.dev && parent === '.'
  if (!isDirectlyInDev)
    list.add(`make the directory of ${path}`, {
      op: 'make-path',
      slot: SLOT.parent,
      root,
      path: parent,
      kind: 'directory',
      mode: 0o755,
    })
  list.add(`creating device node ${quoted(path)}`, {
    op: 'mknod',
    dir: isDirectlyInDev ? SLOT.dev : SLOT.parent,
    name: posix.basename(path),
    mode: TYPE_BITS[device.type] | ((device.fileMode ?? 0o666) & 0o7777),
    major: device.major ?? 0,
    minor: device.minor ?? 0,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    ...EXISTING,
  })
}

/** From which directory a path of the container is reached, and how: /dev is open already. */
function placeOf(path: string): [root: Slot, inside: string] {
  return path.startsWith('/dev/') ? [SLOT.dev, path.slice('/dev/'.length)] : [ROOTFS_SLOT, path]
}

function findDevMount({ spec, rootfsDirectory }: Input): MountSpec | undefined {
  return spec.mounts?.findLast(({ destination }) => containerPath(destination, rootfsDirectory) === '/dev')
}
