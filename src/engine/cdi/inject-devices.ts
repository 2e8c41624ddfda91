// CDI devices in a runtime spec: the edits of their files and their own, one after the other.
import { lstatSync } from 'node:fs'
import { posix } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import type { DeviceSpec, HookSpec, MountSpec, RuntimeSpec } from '../../oci/runtime-spec.ts'
import { deviceNumbers } from '../container/spec/spec-host.ts'
import type { CdiDeviceNode, CdiHook, CdiMount, ContainerEdits } from './parse-spec.ts'
import type { CdiRegistry } from './registry.ts'

/** A new spec. Throws `unknown` with Docker's subject where a device is not there, or its node is not. */
export function injectDevices(spec: RuntimeSpec, names: readonly string[], registry: CdiRegistry): RuntimeSpec {
  const unresolved = names.filter((name) => !registry.devices.has(name))
  if (unresolved.length > 0)
    throw new Failure('unknown', `CDI device injection failed: unresolvable CDI devices ${unresolved.join(', ')}`)
  const edited = structuredClone(spec)
  const files = new Set<object>()
  try {
    for (const device of names.flatMap((name) => registry.devices.get(name) ?? [])) {
      if (!files.has(device.spec)) applyEdits(edited, device.spec.edits)
      files.add(device.spec)
      const own = device.spec.devices.get(device.name)
      if (own !== undefined) applyEdits(edited, own)
    }
  } catch (error) {
    throw new Failure('unknown', `CDI device injection failed: failed to inject devices: ${messageOf(error)}`, {
      cause: error,
    })
  }
  return edited
}

function applyEdits(spec: RuntimeSpec, edits: ContainerEdits): void {
  spec.process ??= { cwd: '/' }
  const { process } = spec
  for (const variable of edits.env) process.env = withVariable(process.env ?? [], variable)
  for (const node of edits.deviceNodes) addDevice(spec, node)
  if (edits.mounts.length > 0) spec.mounts = withMounts(spec.mounts ?? [], edits.mounts)
  for (const hook of edits.hooks) addHook(spec, hook)
  if (edits.intelRdt !== undefined) {
    const { enableCMT = false, enableMBM = false, ...rest } = edits.intelRdt
    // Runtime-spec 1.3 has one switch for both kinds of monitoring.
    spec.linux = { ...spec.linux, intelRdt: { ...rest, ...(enableCMT || enableMBM ? { enableMonitoring: true } : {}) } }
  }
  process.user ??= { uid: 0, gid: 0 }
  const { user } = process
  const gids = edits.additionalGids.filter((gid) => gid !== 0)
  if (gids.length > 0) user.additionalGids = [...new Set([...(user.additionalGids ?? []), ...gids])]
}

function withVariable(env: readonly string[], variable: string): string[] {
  const name = variable.slice(0, variable.indexOf('=') + 1)
  const at = env.findIndex((each) => each.startsWith(name))
  return at < 0 ? [...env, variable] : env.with(at, variable)
}

function addDevice(spec: RuntimeSpec, node: CdiDeviceNode): void {
  const device = completeDevice(node)
  const { uid, gid } = { uid: spec.process?.user?.uid ?? 0, gid: spec.process?.user?.gid ?? 0 }
  if (device.uid === undefined && uid > 0) device.uid = uid
  if (device.gid === undefined && gid > 0) device.gid = gid
  spec.linux ??= {}
  const { linux } = spec
  linux.devices = [...(linux.devices ?? []).filter(({ path }) => path !== device.path), device]
  if (device.type !== 'b' && device.type !== 'c') return
  const { type, major = 0, minor = 0 } = device
  const rule = { allow: true, type, major, minor, access: node.permissions || 'rwm' } as const
  linux.resources = { ...linux.resources, devices: [...(linux.resources?.devices ?? []), rule] }
}

/** What the file leaves out is the host's node. */
function completeDevice({ path, hostPath, type, major = 0, minor = 0, fileMode, uid, gid }: CdiDeviceNode): DeviceSpec {
  const own = {
    path,
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  }
  if (type !== undefined && isType(type) && (major !== 0 || type === 'p')) return { ...own, type, major, minor }
  const source = hostPath || path
  const found = readNode(source)
  if (type && type !== found.type)
    throw new Error(`CDI device ("${path}", "${source}"), host type mismatch (${type}, ${found.type})`)
  return { ...own, type: found.type, ...(major === 0 ? found.numbers : { major, minor }) }
}

function isType(text: string): text is DeviceSpec['type'] {
  return ['b', 'c', 'u', 'p'].includes(text)
}

function readNode(path: string): { type: 'b' | 'c' | 'p'; numbers: { major: number; minor: number } } {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined)
    throw new Error(`failed to stat CDI host device ${JSON.stringify(path)}: no such file or directory`)
  const type = stat.isBlockDevice() ? 'b' : stat.isCharacterDevice() ? 'c' : stat.isFIFO() ? 'p' : undefined
  if (type === undefined) throw new Error(`failed to stat CDI host device ${JSON.stringify(path)}: not a device node`)
  return { type, numbers: deviceNumbers(stat.rdev) }
}

/** One per place, and what is above before what is below. */
function withMounts(mounts: readonly MountSpec[], added: readonly CdiMount[]): MountSpec[] {
  const places = new Set(added.map(({ containerPath }) => containerPath))
  const kept = mounts.filter(({ destination }) => !places.has(destination))
  const own = added.map(
    ({ hostPath, containerPath, options, type }): MountSpec => ({
      destination: containerPath,
      source: hostPath,
      ...(options === undefined ? {} : { options }),
      ...(type === undefined ? {} : { type }),
    }),
  )
  const depth = ({ destination }: MountSpec) => posix.normalize(destination).split('/').length
  return [...kept, ...own].sort((a, b) => depth(a) - depth(b))
}

function addHook(spec: RuntimeSpec, { hookName, path, args, env, timeout }: CdiHook): void {
  const hook: HookSpec = {
    path,
    ...(args === undefined ? {} : { args }),
    ...(env === undefined ? {} : { env }),
    ...(timeout === undefined ? {} : { timeout }),
  }
  spec.hooks = { ...spec.hooks, [hookName]: [...(spec.hooks?.[hookName] ?? []), hook] }
}
