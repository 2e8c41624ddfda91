// The machine and the daemon as specs and checks need to know them, gathered once per engine.
import { existsSync, readFileSync, statfsSync } from 'node:fs'
import type { Engine } from '../engine.ts'
import { OWN_RUNTIMES } from '../settings/runtime-setting.ts'
import { cgroupFacts } from '../system/cgroup-facts.ts'
import { readSpecHost } from './spec/spec-host.ts'
import type { SpecDefaults, SpecHost } from './spec/spec-input.ts'
import type { ValidationFacts } from './spec/validate-host-config.ts'

const CGROUP2_MAGIC = 0x63677270
const INIT_NAMES = [
  '/usr/libexec/docker/docker-init',
  '/usr/bin/docker-init',
  '/usr/local/bin/docker-init',
  '/usr/bin/tini-static',
]

interface Facts {
  host: SpecHost
  validation: ValidationFacts
}

const gathered = new WeakMap<Engine, Facts>()

export function specHost(engine: Engine): SpecHost {
  return factsOf(engine).host
}

export function validationFacts(engine: Engine): ValidationFacts {
  return factsOf(engine).validation
}

export function specDefaults(engine: Engine): SpecDefaults {
  const { config } = engine
  return {
    cgroupParent: config.cgroupParent,
    noNewPrivileges: config.noNewPrivileges,
    init: config.init,
    initPath: INIT_NAMES.find((path) => existsSync(path)),
    ulimits: config.defaultUlimits,
  }
}

function factsOf(engine: Engine): Facts {
  let facts = gathered.get(engine)
  if (facts === undefined) {
    facts = gather(engine)
    gathered.set(engine, facts)
  }
  return facts
}

function gather({ config }: Engine): Facts {
  const cgroupVersion = statfsSync('/sys/fs/cgroup').type === CGROUP2_MAGIC ? 2 : 1
  const host = readSpecHost({ cgroupVersion })
  return {
    host,
    validation: {
      runtimes: [...OWN_RUNTIMES, ...Object.keys(config.runtimes)],
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
