// Configurations that must be refused, each with the words that its writer reads. test/golden/runtime/broken-specs.json has most of them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './root.ts'

/** Where in the document, and what stands there then; without a value it is taken out. */
export type Patch = readonly [path: string, value?: unknown]

export interface BrokenSpec {
  name: string
  /** What config.json holds. */
  json: string
  /** All that the failure says. It begins with the field, wherever there is one. */
  message: string
}

/** A configuration with nothing wrong in it, for a host without AppArmor, SELinux and resctrl. */
export const SOUND_SPEC = {
  ociVersion: '1.2.0',
  process: {
    cwd: '/',
    args: ['true'],
    env: ['PATH=/bin'],
    user: { uid: 0, gid: 0 },
    capabilities: { bounding: ['CAP_KILL'] },
  },
  root: { path: 'rootfs', readonly: true },
  hostname: 'base',
  mounts: [
    { destination: '/proc', type: 'proc', source: 'proc' },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts' },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue' },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] },
  ],
  linux: {
    namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
  },
}

/** `a.b[3].c` names a place; a list grows by naming the place behind its last one. */
export function patched(patches: readonly Patch[]): unknown {
  const document: unknown = structuredClone(SOUND_SPEC)
  for (const [path, ...values] of patches) {
    const keys = path.split(/[.[\]]+/).filter((key) => key !== '')
    const last = keys.pop() ?? ''
    const parent = keys.reduce<unknown>((at, key) => Reflect.get(objectAt(at, path), key), document)
    if (values.length === 0) Reflect.deleteProperty(objectAt(parent, path), last)
    else Reflect.set(objectAt(parent, path), last, values[0])
  }
  return document
}

function objectAt(value: unknown, path: string): object {
  if (typeof value !== 'object' || value === null) throw new Error(`${path} leads nowhere`)
  return value
}

type Row = readonly [name: string, what: string | readonly Patch[], message: string]

const MAPS = Array.from({ length: 341 }, (_, id) => ({ containerID: id, hostID: id, size: 1 }))

const LARGE: readonly Row[] = [
  [
    'a map with too many entries',
    [
      ['linux.namespaces[5]', { type: 'user' }],
      ['linux.uidMappings', MAPS],
      ['linux.gidMappings', MAPS],
    ],
    'linux.uidMappings: more than 340 entries',
  ],
  [
    'a text too long to be kept',
    [['process.args', ['true', 'x'.repeat((1 << 20) + 1)]]],
    'process.args[1]: must be at most 1048576 characters long',
  ],
  ['a list too long to be kept', [['process.env', Array(100_001).fill('A=b')]], 'process.env: must be a list'],
]

export const BROKEN_SPECS: readonly BrokenSpec[] = [
  ...(JSON.parse(readFileSync(join(ROOT, 'test/golden/runtime/broken-specs.json'), 'utf8')) as Row[]),
  ...LARGE,
].map(([name, what, message]) => ({
  name,
  json: typeof what === 'string' ? what : JSON.stringify(patched(what)),
  message,
}))
