// Device nodes, links and the console below /dev. Skipped where the spec binds a /dev that is not ours to fill.
import { posix } from 'node:path'
import { Failure } from '../base/failure.ts'
import { O_DIRECTORY, O_PATH, S_IFBLK, S_IFCHR, S_IFIFO } from '../linux/constants.ts'
import { ERRNO } from '../linux/kernel-error.ts'
import { ROOTFS_SLOT, type Step } from '../linux/steps.ts'
import type { DeviceSpec, MountSpec } from '../oci/runtime-spec.ts'
import type { PlanContainer } from './plan-types.ts'
import { quoted, SLOT, type StepList } from './step-list.ts'

type Input = Parameters<PlanContainer>[0]

/** The devices that every container has (config-linux.md, "Default Devices"). */
const DEFAULT_DEVICES: readonly DeviceSpec[] = [
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

export function planDevices(list: StepList, input: Input): void {
  const mount = findDevMount(input.spec.mounts ?? [])
  if (mount !== undefined && isBindOf(mount)) return
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

  // In a /dev of our own nothing can be in the way. The image's own /dev may already have the node, which then stays as it is.
  const existing = mount === undefined ? { skipOn: { errnos: [ERRNO.EEXIST], skip: 0 } } : {}
  const devices = new Map([...DEFAULT_DEVICES, ...(input.spec.linux?.devices ?? [])].map((item) => [item.path, item]))
  const links = input.host.hasKcore === true ? [...LINKS, ['core', '/proc/kcore'] as const] : LINKS
  // What is a link in every container is none of the host's nodes: a privileged one would get the host's /dev/ptmx.
  for (const [name] of links) devices.delete(`/dev/${name}`)
  for (const device of devices.values()) planDevice(list, device, existing)
  for (const [name, target] of links)
    list.add(`symlink /dev/${name}`, { op: 'symlink', dir: SLOT.dev, name, target, ...existing })
  planConsole(list, input)
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
  if (!spec.mounts?.some(({ type, destination }) => type === 'devpts' && posix.normalize(destination) === '/dev/pts'))
    list.add('open /dev/pts', {
      op: 'open-in-root',
      slot: SLOT.devpts,
      root: ROOTFS_SLOT,
      path: '/dev/pts',
      flags: O_PATH | O_DIRECTORY,
    })
}

function planDevice(list: StepList, device: DeviceSpec, existing: Pick<Step, 'skipOn'>): void {
  const path = posix.normalize(device.path)
  const inside = path.startsWith('/dev/')
  const [root, parent] = inside
    ? [SLOT.dev, posix.dirname(path.slice('/dev/'.length))]
    : [ROOTFS_SLOT, posix.dirname(path)]
  const name = posix.basename(path)
  if (!path.startsWith('/') || name === '' || name === '..')
    throw new Failure('invalid-argument', `linux.devices: path ${quoted(device.path)}`)
  const isDirectlyInDev = inside && parent === '.'
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
    name,
    mode: TYPE_BITS[device.type] | ((device.fileMode ?? 0o666) & 0o7777),
    major: device.major ?? 0,
    minor: device.minor ?? 0,
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    ...existing,
  })
}

function findDevMount(mounts: readonly MountSpec[]): MountSpec | undefined {
  return mounts.findLast(({ destination }) => posix.normalize(destination).replace(/\/$/, '') === '/dev')
}

function isBindOf(mount: MountSpec): boolean {
  return mount.type === 'bind' || mount.options?.some((option) => option === 'bind' || option === 'rbind') === true
}
