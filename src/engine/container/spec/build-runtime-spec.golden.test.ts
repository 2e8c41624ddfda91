// Our specs beside those of a real dockerd for the same containers; each file of test/golden/spec says where it comes from.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import type { MountSpec, RuntimeSpec } from '../../../oci/runtime-spec.ts'
import { planMounts } from '../mounts/plan-mounts.ts'
import { buildRuntimeSpec } from './build-runtime-spec.ts'
import { CAPABILITIES } from './capabilities.ts'
import { resolveUser } from './resolve-user.ts'
import { bindMount, tmpfsMount } from './spec-mount.ts'
import type { HostDevice, SpecInput, SpecMount } from './spec-input.ts'

interface Golden {
  source: string
  hasSeccomp: boolean
  inspect: {
    Id: string
    HostnamePath: string
    HostsPath: string
    ResolvConfPath: string
    Mounts: { Type: string; Source: string; Destination: string; RW: boolean }[]
    Config: ContainerConfig
    HostConfig: HostConfig
  }
  spec: RuntimeSpec
}

const DIRECTORY = findGolden('test/golden/spec/')

/** Wherever the build's output stands below the repository. */
function findGolden(path: string, from = new URL('.', import.meta.url)): URL {
  const candidate = new URL(path, from)
  return existsSync(candidate) || from.pathname === '/' ? candidate : findGolden(path, new URL('..', from))
}

/** The nodes that the recorded containers ask for. */
const DEVICES: HostDevice[] = [
  { path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o600, uid: 0, gid: 0 },
  { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 },
  { path: '/dev/vda', type: 'b', major: 254, minor: 0, mode: 0o660, uid: 0, gid: 6 },
]

/** As API 1.41 has them; what is no volume with a name is planned from the request. */
function mountsOf({ Config: config, HostConfig: hostConfig, Mounts }: Golden['inspect']): SpecMount[] {
  const facts = { dataRoot: '/var/lib/docker', isReadOnlyNonRecursive: true }
  return planMounts(config, hostConfig, [], facts).map((mount) => {
    const source = Mounts.find(({ Destination }) => Destination === mount.destination)?.Source ?? ''
    return mount.type === 'tmpfs'
      ? tmpfsMount(mount)
      : bindMount(mount, source, { whyNotRecursive: undefined, isAlone: false })
  })
}

function inputOf({ inspect, spec }: Golden): SpecInput {
  const { Id: id, Config: config, HostConfig: hostConfig } = inspect
  const shared = spec.mounts?.find((mount) => mount.destination === '/dev/shm' && mount.type === 'bind')?.source
  return {
    id,
    config,
    hostConfig,
    user: resolveUser(config.User ?? '', undefined, undefined),
    addedGroups: (hostConfig.GroupAdd ?? []).map(Number),
    rootfsPath: spec.root?.path ?? '',
    files: { resolvConf: inspect.ResolvConfPath, hostname: inspect.HostnamePath, hosts: inspect.HostsPath },
    mounts: mountsOf(inspect),
    network: hostConfig.NetworkMode === 'host' ? { kind: 'host' } : { kind: 'new' },
    ...(shared === undefined ? {} : { shmPath: shared }),
    host: {
      arch: 'x86_64',
      kernel: { major: 6, minor: 18 },
      cgroupVersion: 1,
      capabilities: CAPABILITIES,
      hostname: 'vm',
      hasSeccomp: true,
      maskedSystemPaths: [],
      hasMqueue: true,
      findDevices: (path) => DEVICES.filter((device) => device.path === path),
    },
    defaults: { cgroupParent: '', noNewPrivileges: false, init: false, initPath: '/usr/bin/docker-init', ulimits: {} },
  }
}

/** Evens out what 20.10 writes although it means nothing, and what depends on the order of a Go map. */
function normalize(spec: RuntimeSpec): RuntimeSpec {
  const copy = structuredClone(spec)
  copy.ociVersion = ''
  const { linux } = copy
  if (linux?.resources === undefined) return copy
  const { memory, cpu, blockIO } = linux.resources
  if (memory?.disableOOMKiller === false) delete memory.disableOOMKiller
  if (cpu?.shares === 0) delete cpu.shares
  if (blockIO?.weight === 0) delete blockIO.weight
  for (const key of ['memory', 'cpu', 'blockIO'] as const)
    if (Object.keys(linux.resources[key] ?? {}).length === 0) delete linux.resources[key]
  // A container in the host's network has the host's own namespace bound to a file there.
  linux.namespaces = linux.namespaces?.filter(({ path }) => path?.endsWith('/netns/default') !== true) ?? []
  copy.mounts = copy.mounts?.toSorted(byDepthAndName) ?? []
  return copy
}

function byDepthAndName(a: MountSpec, b: MountSpec): number {
  const depth = (mount: MountSpec): number => mount.destination.split('/').length
  return depth(a) - depth(b) || (a.destination < b.destination ? -1 : 1)
}

for (const name of readdirSync(DIRECTORY)) {
  test(`the spec of "${name.replace('.json', '')}" is dockerd's`, () => {
    const golden = JSON.parse(readFileSync(new URL(name, DIRECTORY), 'utf8')) as Golden
    const made = buildRuntimeSpec(inputOf(golden))
    assert.equal(made.linux?.seccomp !== undefined, golden.hasSeccomp)
    delete made.linux?.seccomp
    assert.deepEqual(normalize(made), normalize(golden.spec))
    const order = (spec: RuntimeSpec): (string | undefined)[] =>
      (spec.mounts ?? []).filter((mount) => mount.type !== 'bind').map((mount) => mount.destination)
    if (name === 'default.json') assert.deepEqual(order(made), order(golden.spec))
    const seen = (made.mounts ?? []).map((mount) => mount.destination)
    for (const [index, path] of seen.entries())
      assert.ok(
        !seen.slice(0, index).some((earlier) => earlier.startsWith(`${path}/`)),
        `${path} hides an earlier mount`,
      )
  })
}
