// HostConfig of create and update: what is refused and warned of, as the real dockerd does it; fields by API version; devices by CDI.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { call } from '../harness/api.ts'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import { makeBusyboxTree, pushBusybox } from '../harness/images.ts'
import { startRegistry } from '../harness/registry.ts'

let engine: TestEngine
let dockerd: RealDockerd | undefined
let image: string
let cdi: string

before(async () => {
  dockerd = await startDockerd()
  engine = await startEngine({ args: ['--cdi-spec-dir', `/run/berth-cdi-${process.pid}`] })
  cdi = `/run/berth-cdi-${process.pid}`
  mkdirSync(cdi)
  await using registry = await startRegistry(`${engine.directory}/registry`)
  image = `${registry.host}/busybox`
  await pushBusybox(registry.host)
  await engine.ok('pull', '-q', image)
  await engine.ok('tag', image, 'box')
  if (dockerd === undefined) return
  await makeBusyboxTree(`${engine.directory}/tree`)
  const importing = `tar -C "$1" -c . | docker -H "unix://$2" import - box`
  await must(['sh', '-c', importing, 'sh', `${engine.directory}/tree`, dockerd.socketPath])
})

after(async () => {
  await dockerd?.[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
  await run(['rm', '-rf', cdi])
})

const api = (line: string, body?: unknown) => call(engine.socketPath, line, body === undefined ? {} : { body })
const create = (socketPath: string, hostConfig: object, config: object = {}) =>
  call(socketPath, 'POST /v1.41/containers/create', {
    body: { Image: 'box', Cmd: ['true'], ...config, HostConfig: hostConfig },
  })

describe('a create is answered as by the real dockerd', () => {
  const MB = 1 << 20
  const SAME: [hostConfig: object, config?: object][] = [
    [{ SecurityOpt: ['foo=bar'] }],
    [{ SecurityOpt: ['foo'] }],
    [{ SecurityOpt: ['no-new-privileges:maybe'] }],
    [{ StorageOpt: { size: '1G' } }],
    [{ Memory: MB }],
    [{ Memory: MB, CapAdd: ['x'] }, { StopSignal: 'FOO' }],
    [{ Memory: 64 * MB, MemorySwap: 32 * MB }],
    [{ MemorySwap: 64 * MB }],
    [{ Memory: 64 * MB, MemoryReservation: 128 * MB }],
    [{ KernelMemory: MB }],
    [{ MemorySwappiness: 101 }],
    [{ MemorySwappiness: 50 }],
    [{ BlkioWeight: 100 }],
    [{ BlkioWeightDevice: [{ Path: '/dev/null', Weight: 100 }] }],
    [{ BlkioDeviceReadBps: [{ Path: '/dev/null', Rate: 100 }] }],
    [{ OomKillDisable: true }],
    [{ CpuPercent: 5 }],
    [{ CpuPeriod: 5 }],
    [{ CpuQuota: 5 }],
    [{ CpusetCpus: '900' }],
    [{ NanoCpus: 1e9, CpuQuota: 2000 }],
    [{ PidMode: 'container:nope' }],
    [{ IpcMode: 'container:nope' }],
    [{ CgroupnsMode: 'x' }],
    [{ ShmSize: -1, UTSMode: 'x' }],
    [{ OomScoreAdj: 2000 }],
    [{ ExtraHosts: ['a:b'] }],
    [{ VolumesFrom: ['nope'] }],
    [{ RestartPolicy: { Name: 'always' }, AutoRemove: true }],
    [{}, { WorkingDir: 'x' }],
    [{}, { Env: ['=x'] }],
    [{}, { Healthcheck: { Retries: -1 } }],
    [{}, { Healthcheck: { Interval: 5 } }],
    [{ Memory: 1 }, { Image: 'nope' }],
    [{}, { Image: 'nope' }],
    [{ NetworkMode: 'host', PortBindings: { '80/tcp': [{ HostPort: '80' }] } }],
    [{ PidsLimit: -5 }],
    [{}, { StopTimeout: -5 }],
  ]
  /** 20.10's words where 28 has others, and its warning of a daemon that leaves forwarding off. */
  const comparable = ({ status, text }: { status: number; text: string }) => {
    if (status !== 201) return { status, text: text.replace('Invalid signal', 'invalid signal') }
    const { Warnings } = JSON.parse(text) as { Warnings: string[] }
    return { status, Warnings: Warnings.filter((each) => !each.startsWith('IPv4 forwarding')) }
  }
  for (const [hostConfig, config] of SAME)
    test(JSON.stringify({ ...hostConfig, ...config }), async (t) => {
      if (dockerd === undefined) return t.skip('not installed: dockerd')
      const expected = await create(dockerd.socketPath, hostConfig, config)
      const actual = await create(engine.socketPath, hostConfig, config)
      assert.deepEqual(comparable(actual), comparable(expected))
    })
})

describe('an API version', () => {
  const made = async (version: string, hostConfig: object, config: object = {}) => {
    const body = { Image: 'box', Cmd: ['true'], ...config, HostConfig: hostConfig }
    const answer = await api(`POST /v${version}/containers/create`, body)
    assert.equal(answer.status, 201, answer.text)
    const { Id: id, Warnings: warnings } = JSON.parse(answer.body) as { Id: string; Warnings: string[] }
    const inspect = async (as: string) =>
      JSON.parse((await api(`GET /v${as}/containers/${id}/json`)).body) as {
        HostConfig: Record<string, unknown>
        Config: { Healthcheck?: Record<string, unknown> }
      }
    return { id, warnings, inspect }
  }

  test('has the fields that it brought, and what is newer is as if it had not been sent', async () => {
    const all = {
      ...{ AutoRemove: true, Annotations: { a: 'b' }, KernelMemory: 64 << 20, ConsoleSize: [3, 4] },
      PidsLimit: 5,
    }
    const oldest = await made('1.24', all)
    const shown = (await oldest.inspect('1.52')).HostConfig
    assert.deepEqual(
      [shown['AutoRemove'], shown['Annotations'], shown['ConsoleSize'], shown['IpcMode']],
      [false, undefined, [0, 0], 'shareable'],
    )
    const newest = await made('1.52', { ...all, AutoRemove: false }, { Healthcheck: { StartInterval: 1e9, Test: [] } })
    const full = await newest.inspect('1.52')
    assert.deepEqual(
      [full.HostConfig['Annotations'], full.HostConfig['ConsoleSize'], full.HostConfig['IpcMode']],
      [{ a: 'b' }, [3, 4], 'private'],
    )
    assert.equal(full.HostConfig['KernelMemory'], undefined)
    const old = await newest.inspect('1.30')
    for (const field of ['Annotations', 'CgroupnsMode', 'DeviceRequests', 'MaskedPaths', 'Init'])
      assert.ok(!(field in old.HostConfig), field)
    assert.ok('CgroupnsMode' in (await newest.inspect('1.41')).HostConfig)
    assert.ok(!('StartInterval' in (old.Config.Healthcheck ?? {})))
  })

  test('warns of what its successors give up', async () => {
    const mounts = [{ Type: 'volume', Target: '/x' }]
    const warned = await made('1.48', { VolumeDriver: 'local', Mounts: mounts })
    assert.match(warned.warnings.join(), /^WARNING: the container-wide volume-driver configuration is ignored/)
    assert.deepEqual((await made('1.47', { VolumeDriver: 'local', Mounts: mounts })).warnings, [])
    const mac = { MacAddress: '02:42:ac:11:00:99' }
    assert.match((await made('1.44', {}, mac)).warnings.join(), /container-wide MacAddress field is now deprecated/)
    assert.deepEqual((await made('1.43', {}, mac)).warnings, [])
  })
})

describe('an update', () => {
  const update = (name: string, body: object, version = '1.50') =>
    api(`POST /v${version}/containers/${name}/update`, body)

  test('changes a running container’s limits, and only those that it names', async () => {
    await engine.ok('run', '-d', '--name', 'live', '--memory', '64m', '--pids-limit', '50', 'box', 'sleep', '1000')
    const read = (file: string) => engine.ok('exec', 'live', 'sh', '-c', `cat /sys/fs/cgroup/${file}`)
    const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers')
    const [memory, pids] = isV2 ? ['memory.max', 'pids.max'] : ['memory/memory.limit_in_bytes', 'pids/pids.max']
    const answer = await update('live', { Memory: 32 << 20, MemorySwap: 64 << 20 })
    assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, { Warnings: null }])
    assert.deepEqual([await read(memory), await read(pids)], [String(32 << 20), '50'])
    assert.equal((await update('live', { PidsLimit: -1 })).status, 200)
    assert.equal(await read(pids), 'max')
    assert.equal(await engine.ok('inspect', '-f', '{{.HostConfig.PidsLimit}}', 'live'), '0')
    assert.equal((await update('live', { PidsLimit: 7 }, '1.39')).status, 200)
    assert.equal(await read(pids), 'max')
    await engine.ok('rm', '-f', 'live')
  })

  test("refuses what contradicts in Docker's words", async () => {
    await engine.ok('create', '--rm', '--name', 'rules', '--cpus', '1', '--memory', '64m', 'box', 'true')
    const id = await engine.ok('inspect', '-f', '{{.Id}}', 'rules')
    const cases: [object, number, string][] = [
      [{ Memory: 1 }, 400, 'Minimum memory limit allowed is 6MB'],
      [
        { CpuPeriod: 2000 },
        409,
        `Cannot update container ${id}: Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set`,
      ],
      [
        { CpuQuota: 2000 },
        409,
        `Cannot update container ${id}: Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set`,
      ],
      [
        { Memory: 512 << 20 },
        409,
        `Cannot update container ${id}: Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time`,
      ],
      [
        { RestartPolicy: { Name: 'always' } },
        409,
        `Cannot update container ${id}: Restart policy cannot be updated because AutoRemove is enabled for the container`,
      ],
    ]
    for (const [body, status, text] of cases) {
      const answer = await update('rules', body)
      assert.deepEqual([answer.status, answer.text], [status, text], JSON.stringify(body))
    }
    await engine.ok('rm', 'rules')
  })
})

describe('a device by CDI', () => {
  test('brings its nodes, mounts, variables, groups and hooks', async () => {
    const hook = `${engine.directory}/hook.sh`
    writeFileSync(`${engine.directory}/shared`, 'from the host\n')
    writeFileSync(hook, `#!/bin/sh\ncat >/dev/null; echo "$1 $WHO" >${engine.directory}/hooked\n`, { mode: 0o755 })
    writeFileSync(
      `${cdi}/vendor.yaml`,
      `cdiVersion: "0.7.0"
kind: vendor.com/class
containerEdits:
  env: [OF_FILE=yes]
devices:
  - name: one
    containerEdits:
      env: [OF_DEVICE=one]
      deviceNodes: [{path: /dev/nothing, hostPath: /dev/null, permissions: rw, fileMode: 0640, gid: 44}]
      mounts: [{hostPath: ${engine.directory}/shared, containerPath: /given/file, options: [ro, bind]}]
      hooks: [{hookName: createRuntime, path: ${hook}, args: [hook.sh, made], env: [WHO=vendor]}]
      additionalGids: [4242]
`,
    )
    const script =
      'echo $OF_FILE $OF_DEVICE; cat /given/file; stat -c %a:%t:%T:%g /dev/nothing; id -G; echo x >/dev/nothing'
    const output = await engine.ok('run', '--rm', '--device', 'vendor.com/class=one', 'box', 'sh', '-c', script)
    assert.equal(output, 'yes one\nfrom the host\n640:1:3:44\n0 10 4242')
    assert.equal(readFileSync(`${engine.directory}/hooked`, 'utf8'), 'made vendor\n')
    const info = JSON.parse((await api('GET /v1.50/info')).body) as { DiscoveredDevices: unknown; CDISpecDirs: unknown }
    assert.deepEqual(info.DiscoveredDevices, [{ Source: 'cdi', ID: 'vendor.com/class=one' }])
    assert.deepEqual(info.CDISpecDirs, [cdi])
  })

  test('that is not there fails the start, with code 125', async () => {
    const result = await engine.docker(['run', '--rm', '--device', 'vendor.com/class=nope', 'box', 'true'])
    assert.equal(result.code, 125)
    assert.match(result.stderr, /CDI device injection failed: unresolvable CDI devices vendor.com\/class=nope/)
    const gpus = await engine.docker(['run', '--rm', '--gpus', 'all', 'box', 'true'])
    assert.match(gpus.stderr, /could not select device driver "" with capabilities: \[\[gpu\]\]/)
  })
})
