// The machine and the daemon as specs and checks need to know them, gathered once per engine.
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { isEnabled } from '../apparmor/choose-profile.ts'
import { readAppArmorFacts } from '../apparmor/load-profile.ts'
import type { Engine } from '../engine.ts'
import { OWN_RUNTIMES } from '../settings/runtime-setting.ts'
import { cgroupFacts } from '../system/cgroup-facts.ts'
import { readSpecHost } from './spec/spec-host.ts'
import type { SpecDefaults, SpecHost } from './spec/spec-input.ts'
import type { ValidationFacts } from './spec/validate-host-config.ts'

const CGROUP2_MAGIC = 0x63677270
const INIT_NAMES = ['docker-init', 'tini-static']
const INIT_DIRECTORIES = [
  '/usr/local/libexec/docker',
  '/usr/libexec/docker',
  '/usr/local/lib/docker',
  '/usr/lib/docker',
  '/usr/local/libexec',
  '/usr/libexec',
]

interface Facts {
  host: SpecHost
  validation: Omit<ValidationFacts, 'runtimes'>
}

const gathered = new WeakMap<Engine, Facts>()

export function specHost(engine: Engine): SpecHost {
  return factsOf(engine).host
}

/** Runtimes may change while the engine runs. */
export function validationFacts(engine: Engine): ValidationFacts {
  const mapsUsers = engine.config.idMap !== undefined
  return {
    ...factsOf(engine).validation,
    mapsUsers,
    runtimes: [...OWN_RUNTIMES, ...Object.keys(engine.config.runtimes)],
  }
}

export function specDefaults(engine: Engine): SpecDefaults {
  const { config } = engine
  return {
    cgroupParent: config.cgroupParent,
    noNewPrivileges: config.noNewPrivileges,
    init: config.init,
    initPath: findInit(config.initPath),
    ulimits: config.defaultUlimits,
    seccomp: seccompProfile(config.seccompProfile),
    cgroupDriver: config.cgroupDriver,
  }
}

/** A path as it is; a name as Docker looks for it, then along PATH. */
function findInit(configured: string | undefined): string | undefined {
  if (configured?.startsWith('/')) return existsSync(configured) ? configured : undefined
  const directories = [...INIT_DIRECTORIES, ...(process.env['PATH'] ?? '').split(':').filter((path) => path !== '')]
  const names = configured === undefined ? INIT_NAMES : [configured]
  const paths = names.flatMap((name) => directories.map((directory) => join(directory, name)))
  return paths.find((path) => existsSync(path))
}

/** The file was checked when the daemon started; it is read once. */
function seccompProfile(setting: string): NonNullable<SpecDefaults['seccomp']> {
  if (setting === 'builtin' || setting === 'unconfined') return setting
  let text = profiles.get(setting)
  if (text === undefined) {
    text = readFileSync(setting, 'utf8')
    profiles.set(setting, text)
  }
  return { profile: text }
}

const profiles = new Map<string, string>()

function factsOf(engine: Engine): Facts {
  let facts = gathered.get(engine)
  if (facts === undefined) {
    facts = gather()
    gathered.set(engine, facts)
  }
  return facts
}

function gather(): Facts {
  const cgroupVersion = statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC ? 2 : 1
  const host = readSpecHost({ cgroupVersion, hasAppArmor: isEnabled(readAppArmorFacts()) })
  return {
    host,
    validation: {
      capabilities: host.capabilities,
      controls: cgroupFacts(),
      cpus: readIndexes('/sys/devices/system/cpu/online'),
      memoryNodes: readIndexes('/sys/devices/system/node/online'),
    },
  }
}

/** `0-3,7`; a kernel without the file has one. */
function readIndexes(path: string): number[] {
  if (!existsSync(path)) return [0]
  return readFileSync(path, 'utf8')
    .trim()
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, index) => first + index)
    })
}
