// An OCI runtime configuration from a client or a file: nothing of it is believed before it has passed here.
import { Failure } from '../base/failure.ts'
import type {
  CapabilitySet,
  DeviceRule,
  DeviceSpec,
  HookSpec,
  HooksSpec,
  LinuxSpec,
  MountSpec,
  ProcessSpec,
  ResourcesSpec,
  RuntimeSpec,
  SeccompRule,
  SeccompSpec,
  ThrottleDevice,
} from '../oci/runtime-spec.ts'
import { locateJsonError } from './locate-json-error.ts'
import { boolean, integer, list, natural, object, oneOf, type Parser, record, text, within } from './json-shape.ts'

const SPEC_BYTES_MAX = 16 << 20
const UINT32_MAX = 2 ** 32 - 1

/** (uid_t)-1 means "leave it" to the kernel, and is no id. */
const id = within(0, UINT32_MAX - 1)
const deviceNumber = within(-1, UINT32_MAX)
const size = within(0, 65535)
const int32 = within(-(2 ** 31), 2 ** 31 - 1)

type Of<T, K extends keyof T> = Exclude<T[K], undefined>

const capabilities: Parser<Of<ProcessSpec, 'capabilities'>> = object<Partial<Record<CapabilitySet, string[]>>>({
  bounding: list(text),
  effective: list(text),
  inheritable: list(text),
  permitted: list(text),
  ambient: list(text),
})

export const parseProcess: Parser<ProcessSpec> = object<ProcessSpec>(
  {
    terminal: boolean,
    consoleSize: object({ height: size, width: size }, 'height', 'width'),
    cwd: text,
    env: list(text),
    args: list(text),
    user: (value, field) => ({
      uid: 0,
      gid: 0,
      ...object<Partial<Of<ProcessSpec, 'user'>>>({
        uid: id,
        gid: id,
        umask: within(0, 0o777),
        additionalGids: list(id),
        username: text,
      })(value, field),
    }),
    capabilities,
    rlimits: list(object({ type: text, soft: integer, hard: integer }, 'type', 'soft', 'hard')),
    noNewPrivileges: boolean,
    apparmorProfile: text,
    selinuxLabel: text,
    oomScoreAdj: within(-1000, 1000),
    scheduler: object<Of<ProcessSpec, 'scheduler'>>(
      {
        policy: text,
        nice: int32,
        priority: int32,
        flags: list(text),
        runtime: natural,
        deadline: natural,
        period: natural,
      },
      'policy',
    ),
    ioPriority: object<Of<ProcessSpec, 'ioPriority'>>({ class: text, priority: int32 }, 'class'),
    execCPUAffinity: object<Of<ProcessSpec, 'execCPUAffinity'>>({ initial: text, final: text }),
  },
  'cwd',
)

const hooks = list(object<HookSpec>({ path: text, args: list(text), env: list(text), timeout: integer }, 'path'))

const idMapping = object({ containerID: id, hostID: id, size: within(0, UINT32_MAX) }, 'containerID', 'hostID', 'size')

const mount = object<MountSpec>(
  {
    destination: text,
    type: text,
    source: text,
    options: list(text),
    uidMappings: list(idMapping),
    gidMappings: list(idMapping),
  },
  'destination',
)

const device = object<DeviceSpec>(
  {
    type: oneOf('c', 'b', 'u', 'p'),
    path: text,
    major: deviceNumber,
    minor: deviceNumber,
    fileMode: within(0, UINT32_MAX),
    uid: id,
    gid: id,
  },
  'type',
  'path',
)

const deviceAccess: Parser<string> = (value, field) => {
  const access = text(value, field)
  if (!/^[rwm]{1,3}$/.test(access)) throw new Failure('invalid-argument', `${field}: must be of the letters r, w and m`)
  return access
}

const deviceRule = object<DeviceRule>(
  { allow: boolean, type: oneOf('a', 'b', 'c'), major: deviceNumber, minor: deviceNumber, access: deviceAccess },
  'allow',
)

const throttle = list(
  object<ThrottleDevice>({ major: deviceNumber, minor: deviceNumber, rate: integer }, 'major', 'minor', 'rate'),
)

export const parseResources: Parser<ResourcesSpec> = object<ResourcesSpec>({
  devices: list(deviceRule),
  memory: object<Of<ResourcesSpec, 'memory'>>({
    limit: integer,
    reservation: integer,
    swap: integer,
    kernel: integer,
    kernelTCP: integer,
    swappiness: integer,
    disableOOMKiller: boolean,
    useHierarchy: boolean,
    checkBeforeUpdate: boolean,
  }),
  cpu: object<Of<ResourcesSpec, 'cpu'>>({
    shares: integer,
    quota: integer,
    period: integer,
    burst: integer,
    realtimeRuntime: integer,
    realtimePeriod: integer,
    cpus: text,
    mems: text,
    idle: integer,
  }),
  pids: object<Of<ResourcesSpec, 'pids'>>({ limit: integer }),
  blockIO: object<Of<ResourcesSpec, 'blockIO'>>({
    weight: integer,
    leafWeight: integer,
    weightDevice: list(
      object<Of<Of<ResourcesSpec, 'blockIO'>, 'weightDevice'>[number]>(
        { major: deviceNumber, minor: deviceNumber, weight: integer, leafWeight: integer },
        'major',
        'minor',
      ),
    ),
    throttleReadBpsDevice: throttle,
    throttleWriteBpsDevice: throttle,
    throttleReadIOPSDevice: throttle,
    throttleWriteIOPSDevice: throttle,
  }),
  hugepageLimits: list(object({ pageSize: text, limit: integer }, 'pageSize', 'limit')),
  network: object<Of<ResourcesSpec, 'network'>>({
    classID: within(0, UINT32_MAX),
    priorities: list(object({ name: text, priority: within(0, UINT32_MAX) }, 'name', 'priority')),
  }),
  rdma: record(
    object<Of<ResourcesSpec, 'rdma'>[string]>({
      hcaHandles: within(0, UINT32_MAX),
      hcaObjects: within(0, UINT32_MAX),
    }),
  ),
  unified: record(text),
})

const seccomp = object<SeccompSpec>(
  {
    defaultAction: text,
    defaultErrnoRet: integer,
    architectures: list(text),
    flags: list(text),
    listenerPath: text,
    listenerMetadata: text,
    syscalls: list(
      object<SeccompRule>(
        {
          names: list(text),
          action: text,
          errnoRet: integer,
          args: list(
            object<Of<SeccompRule, 'args'>[number]>(
              { index: within(0, 5), value: integer, valueTwo: integer, op: text },
              'index',
              'value',
              'op',
            ),
          ),
        },
        'names',
        'action',
      ),
    ),
  },
  'defaultAction',
)

const linux = object<LinuxSpec>({
  namespaces: list(
    object<Of<LinuxSpec, 'namespaces'>[number]>(
      { type: oneOf('pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'), path: text },
      'type',
    ),
  ),
  uidMappings: list(idMapping),
  gidMappings: list(idMapping),
  devices: list(device),
  cgroupsPath: text,
  resources: parseResources,
  rootfsPropagation: text,
  seccomp,
  sysctl: record(text),
  maskedPaths: list(text),
  readonlyPaths: list(text),
  mountLabel: text,
  timeOffsets: record(object<Of<LinuxSpec, 'timeOffsets'>[string]>({ secs: integer, nanosecs: within(0, UINT32_MAX) })),
  intelRdt: object<Of<LinuxSpec, 'intelRdt'>>({
    closID: text,
    schemata: list(text),
    l3CacheSchema: text,
    memBwSchema: text,
    enableMonitoring: boolean,
  }),
  memoryPolicy: object<Of<LinuxSpec, 'memoryPolicy'>>({ mode: text, nodes: text, flags: list(text) }, 'mode'),
  personality: object<Of<LinuxSpec, 'personality'>>({ domain: text, flags: list(text) }, 'domain'),
  netDevices: record(object<Of<LinuxSpec, 'netDevices'>[string]>({ name: text })),
})

const spec = object<RuntimeSpec>(
  {
    ociVersion: text,
    process: parseProcess,
    root: object<Of<RuntimeSpec, 'root'>>({ path: text, readonly: boolean }, 'path'),
    hostname: text,
    domainname: text,
    mounts: list(mount),
    hooks: object<HooksSpec>({
      prestart: hooks,
      createRuntime: hooks,
      createContainer: hooks,
      startContainer: hooks,
      poststart: hooks,
      poststop: hooks,
    }),
    annotations: record(text),
    linux,
  },
  'ociVersion',
)

/** @param json the text of a config.json. Throws Failure('invalid-argument') naming the field. */
export function parseRuntimeSpec(json: string): RuntimeSpec {
  if (json.length > SPEC_BYTES_MAX) throw new Failure('invalid-argument', 'spec: too large')
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw new Failure('invalid-argument', `spec: ${locateJsonError(json)}`) // engines have different words for it
  }
  return checkRuntimeSpec(value)
}

/** The same for a document that has been read already. */
export function checkRuntimeSpec(value: unknown): RuntimeSpec {
  const parsed = spec(value, '')
  if (!/^1\.\d+\.\d+/.test(parsed.ociVersion))
    throw new Failure('invalid-argument', `ociVersion: ${JSON.stringify(parsed.ociVersion)} is not supported`)
  if (parsed.process !== undefined && !parsed.process.cwd.startsWith('/'))
    throw new Failure('invalid-argument', 'process.cwd: must be an absolute path')
  if (parsed.root?.path === '') throw new Failure('invalid-argument', 'root.path: must not be empty')
  return parsed
}
