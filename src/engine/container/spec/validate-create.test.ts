import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerConfig, HostConfig } from '../../../api/container-types.ts'
import { validateCreate } from './validate-create.ts'

const CONTROLS = {
  ...{ memory: true, swap: true, memoryReservation: true, memorySwappiness: true, kernelMemory: true },
  ...{ oomKillDisable: true, pids: true, cpuQuota: true, cpuShares: true, cpuRealtime: true, cpuset: true },
  ...{ blkioWeight: true, blkioWeightDevice: true, blkioThrottle: true },
}
const FACTS = { cpus: [0, 1], memoryNodes: [0], controls: CONTROLS, runtimes: ['runc'] } as const
const NO_CONTROLS = Object.fromEntries(Object.keys(CONTROLS).map((key) => [key, false])) as unknown as typeof CONTROLS
const check = (hostConfig: HostConfig, config: ContainerConfig = {}): string[] =>
  validateCreate(config, hostConfig, FACTS)
const MB = 1 << 20

test("bad host configurations are refused in Docker's words", () => {
  const cases: [HostConfig, string][] = [
    [{ Memory: MB }, 'Minimum memory limit allowed is 6MB'],
    [
      { Memory: 64 * MB, MemorySwap: 32 * MB },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [{ MemorySwap: 64 * MB }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ MemorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
    [{ NanoCpus: 3e9 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ NanoCpus: 1e9, CpuQuota: 2000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ CpuPeriod: 10 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ CpuQuota: 10 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ CpusetCpus: 'x' }, 'Invalid value x for cpuset cpus: invalid format: x'],
    [{ CpusetCpus: '0,7' }, 'Requested CPUs are not available - requested 0,7, available: 0-1'],
    [{ CpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ BlkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
    [{ OomScoreAdj: 1001 }, 'Invalid value 1001, range for oom score adj is [-1000, 1000]'],
    [{ ShmSize: -1 }, 'SHM size can not be less than 0'],
    [
      { AutoRemove: true, RestartPolicy: { Name: 'always' } },
      "can't create 'AutoRemove' container with restart policy",
    ],
    [
      { RestartPolicy: { Name: 'maybe' } },
      "invalid restart policy: unknown policy 'maybe'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
    ],
    [
      { RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } },
      "invalid restart policy: maximum retry count can only be used with 'on-failure'",
    ],
    [{ IpcMode: 'foo' }, 'invalid IPC mode: foo'],
    [{ PidMode: 'container:' }, 'invalid PID mode: container:'],
    [
      { Mounts: [{ Type: 'bind', Target: '/x' }] },
      'invalid mount config for type "bind": field Source must not be empty',
    ],
    [{ Mounts: [{ Type: 'foo', Target: '/x' }] }, 'invalid mount config for type "foo": mount type unknown'],
    [{ Mounts: [{ Type: 'volume' }] }, 'invalid mount config for type "volume": field Target must not be empty'],
    [
      { Mounts: [{ Type: 'tmpfs', Target: '/x', BindOptions: {} }] },
      'invalid mount config for type "tmpfs": field BindOptions must not be specified',
    ],
    [{ DeviceCgroupRules: ['x'] }, "invalid device cgroup rule format: 'x'"],
    [{ Isolation: 'hyperv' }, "invalid isolation (hyperv): linux only supports 'default'"],
    [{ IOMaximumIOps: 5 }, 'invalid option: QoS maximum IOPs configuration is not supported on linux'],
    [{ CpuShares: -5 }, 'invalid CPU shares (-5): value must be a positive integer'],
    [{ Annotations: { '': 'x' } }, 'invalid Annotations: the empty string is not permitted as an annotation key'],
    [{ KernelMemory: MB }, 'Minimum kernel memory limit allowed is 6MB'],
    [{ CapAdd: ['nope'] }, 'invalid CapAdd: unknown capability: "CAP_NOPE"'],
    [{ Runtime: 'nope' }, 'unknown or invalid runtime name: nope'],
    [
      { Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] },
      'ulimit soft limit must be less than or equal to hard limit: 2 > 1',
    ],
    [{ NetworkMode: 'container:' }, 'invalid network mode: invalid container format container:<name|id>'],
    [
      { NetworkMode: 'container:x', PublishAllPorts: true },
      'conflicting options: port publishing and the container type network mode',
    ],
    [{ NetworkMode: 'container:x', Dns: ['1.1.1.1'] }, 'conflicting options: dns and the network mode'],
    [{ PortBindings: { '70000/tcp': [] } }, 'invalid port specification: "70000/tcp"'],
    [{ ExtraHosts: ['nocolon'] }, 'bad format for add-host: "nocolon"'],
  ]
  for (const [hostConfig, message] of cases)
    assert.throws(() => check(hostConfig), { code: 'invalid-argument', message }, JSON.stringify(hostConfig))
})

test("bad configurations are refused in Docker's words", () => {
  const cases: [ContainerConfig, HostConfig, string][] = [
    [{ WorkingDir: 'x' }, {}, "the working directory 'x' is invalid, it needs to be an absolute path"],
    [{ Env: ['=x'] }, {}, 'invalid environment variable: =x'],
    [{ Healthcheck: { Interval: 5 } }, {}, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ StopSignal: 'FOO' }, {}, 'invalid signal: FOO'],
    // Options come before the configuration, and it before what the machine has a say in.
    [{ StopSignal: 'FOO' }, { Isolation: 'x', Memory: 1 }, "invalid isolation (x): linux only supports 'default'"],
    [{ StopSignal: 'FOO' }, { Memory: 1 }, 'invalid signal: FOO'],
    [{}, { CapAdd: ['x'], Memory: 1 }, 'invalid CapAdd: unknown capability: "CAP_X"'],
    [{ Hostname: 'h' }, { UTSMode: 'host' }, 'conflicting options: hostname and the UTS mode'],
    [{ Hostname: 'h' }, { NetworkMode: 'container:x' }, 'conflicting options: hostname and the network mode'],
  ]
  for (const [config, hostConfig, message] of cases) assert.throws(() => check(hostConfig, config), { message })
})

test('what is in order passes, what is unwise warns', () => {
  const good: HostConfig = {
    Binds: ['/a:/b:ro,z,rslave', 'name:/c:nocopy'],
    Tmpfs: { '/t': 'size=1m' },
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '90-91/udp': null },
    SecurityOpt: ['no-new-privileges:true', 'seccomp=unconfined', 'label:disable'],
    ExtraHosts: ['db:10.0.0.1', 'v6:fe80::1', 'gw=host-gateway'],
  }
  assert.deepEqual(check(good, { Env: ['A=b', 'C'], WorkingDir: '/' }), [])
  assert.match(check({ OomKillDisable: true })[0] ?? '', /^OOM killer is disabled for the container/)
})

test('a limit without a controller goes, with a warning each', () => {
  const hostConfig: HostConfig = {
    ...{ Memory: 64 * MB, MemorySwap: -1, MemorySwappiness: 5, PidsLimit: 3, CpuShares: 512, CpusetCpus: '0' },
    ...{ BlkioWeight: 100, BlkioDeviceReadBps: [{ Path: '/dev/null', Rate: 1 }], OomKillDisable: true, CpuPercent: 5 },
  }
  assert.deepEqual(validateCreate({}, hostConfig, { ...FACTS, controls: NO_CONTROLS }), [
    'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
    'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
    'linux does not support CPU percent. Percent discarded.',
    'Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.',
    'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
    'Your kernel does not support BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.',
  ])
  assert.deepEqual(hostConfig, { OomKillDisable: null, BlkioDeviceReadBps: [] })
})

test('memory without a controller of swap is limited without swap', () => {
  const hostConfig: HostConfig = { Memory: 64 * MB }
  assert.deepEqual(validateCreate({}, hostConfig, { ...FACTS, controls: { ...CONTROLS, swap: false } }), [
    'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
  ])
  assert.deepEqual(hostConfig, { Memory: 64 * MB, MemorySwap: -1 })
})
