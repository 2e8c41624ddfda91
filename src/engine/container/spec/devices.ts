// The devices of a runtime spec and the rules of its devices cgroup.
import { Failure } from '../../../base/failure.ts'
import type { DeviceRule, DeviceSpec, MountSpec } from '../../../oci/runtime-spec.ts'
import type { HostDevice, SpecInput } from './spec-input.ts'

const RULE = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/

export interface Devices {
  nodes: DeviceSpec[]
  /** Instead of nodes: no user namespace can make one, and runtimes bind the host's of the same name. */
  binds: MountSpec[]
  rules: DeviceRule[]
}

/** Deny all but null, zero, full, random, urandom, tty and console; fuse stays denied for those who allow by ranges. */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  ...[
    [1, 5],
    [1, 3],
    [1, 9],
    [1, 8],
    [5, 0],
    [5, 1],
  ].map(([major = 0, minor = 0]): DeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
]

/** Throws Failure('invalid-argument') for a rule that can't be read or a device that isn't there. */
export function buildDevices(input: SpecInput): Devices {
  const { hostConfig, host } = input
  const mapped = (hostConfig.Devices ?? []).flatMap((mapping) => {
    const path = mapping.PathOnHost ?? ''
    const found = host.findDevices(path)
    if (found.length === 0)
      throw new Failure(
        'invalid-argument',
        `error gathering device information while adding custom device ${JSON.stringify(path)}: no such file or directory`,
      )
    const target = mapping.PathInContainer || path
    return found.map((device) => ({
      source: device.path,
      node: deviceNode(device, target + device.path.slice(path.length)),
      rule: deviceRule(device, mapping.CgroupPermissions || 'rwm'),
    }))
  })
  if (hostConfig.Privileged === true) {
    const all = host.findDevices('/dev').map((device) => deviceNode(device, device.path))
    const known = new Set(all.map((node) => node.path))
    const renamed = mapped.map(({ node }) => node).filter((node) => !known.has(node.path))
    return { nodes: [...all, ...renamed], binds: [], rules: [{ allow: true, access: 'rwm' }] }
  }
  const isBound = ({ source, node }: (typeof mapped)[number]) => input.users !== undefined && source !== node.path
  return {
    nodes: mapped.filter((each) => !isBound(each)).map(({ node }) => node),
    binds: mapped.filter(isBound).map(({ source, node }) => bindDevice(source, node.path)),
    rules: [
      ...DEFAULT_RULES,
      ...mapped.map(({ rule }) => rule),
      ...(hostConfig.DeviceCgroupRules ?? []).map(parseDeviceRule),
    ],
  }
}

/** `c 42:* rmw`. */
export function parseDeviceRule(text: string): DeviceRule {
  const [, type, major, minor, access] = RULE.exec(text) ?? []
  if (access === undefined) throw new Failure('invalid-argument', `invalid device cgroup rule format: '${text}'`)
  const number = (part: string | undefined): number => (part === '*' ? -1 : Number(part))
  return { allow: true, type: type as 'a' | 'c' | 'b', major: number(major), minor: number(minor), access }
}

function deviceNode(device: HostDevice, path: string): DeviceSpec {
  const { type, major, minor, mode, uid, gid } = device
  return { path, type, major, minor, fileMode: mode, uid, gid }
}

function bindDevice(source: string, destination: string): MountSpec {
  return { destination, type: 'bind', source, options: ['bind', 'rprivate'] }
}

function deviceRule(device: HostDevice, access: string): DeviceRule {
  return { allow: true, type: device.type, major: device.major, minor: device.minor, access }
}
