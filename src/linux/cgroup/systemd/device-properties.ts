// Device rules as systemd understands them: a list of what is allowed, and nothing else is. Pure.
import type { CgroupLimits } from '../cgroup.ts'
import { type DeviceException, decideDevices } from '../device-program.ts'
import type { UnitHost, UnitProperty } from './unit-properties.ts'

/** Groups of devices by their major number, `char-136`. */
const MAJORS_SINCE = 240

/**
 * What systemd has no words for (denials, a minor number of any major) is left to what is written to the group. With v2 that is a program
 * beside systemd's, and both must agree: there systemd's allows all. With v1 there is one list, which systemd may write anew at any
 * time: there it never allows what the rules do not. An empty list first takes away what was there.
 */
export function deviceProperties(
  devices: CgroupLimits['devices'],
  { cgroupVersion, systemdVersion }: Pick<UnitHost, 'cgroupVersion' | 'systemdVersion'>,
): UnitProperty[] {
  if (devices === undefined) return []
  const { allowByDefault, exceptions } = decideDevices(devices)
  const named = exceptions.map((each) => [pathOf(each, systemdVersion), lettersOf(each.access)] as const)
  const list = allowByDefault ? [] : named.flatMap(([path, access]) => (path === undefined ? [] : [[path, access]]))
  const isComplete = allowByDefault ? exceptions.length === 0 : list.length === named.length
  const allowsAll = allowByDefault ? isComplete || cgroupVersion === 2 : !isComplete && cgroupVersion === 2
  const nothing = { name: 'DeviceAllow', signature: 'a(ss)', value: [] }
  const policy = { name: 'DevicePolicy', signature: 's', value: allowsAll ? 'auto' : 'strict' }
  return allowsAll || list.length === 0 ? [nothing, policy] : [nothing, policy, { ...nothing, value: list }]
}

function pathOf({ type, major, minor }: DeviceException, systemdVersion: number): string | undefined {
  const kind = type === 'b' ? 'block' : 'char'
  if (major === undefined) return minor === undefined ? `${kind}-*` : undefined
  if (minor !== undefined) return `/dev/${kind}/${major}:${minor}`
  return systemdVersion >= MAJORS_SINCE ? `${kind}-${major}` : undefined
}

/** BPF_DEVCG_ACC_* */
function lettersOf(access: number): string {
  return (access & 2 ? 'r' : '') + (access & 4 ? 'w' : '') + (access & 1 ? 'm' : '')
}
