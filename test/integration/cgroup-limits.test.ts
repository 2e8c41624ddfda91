// Limits on the real kernel: in the order that it takes them, where their controllers are, and what is counted.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Cgroup, CgroupLimits } from '../../src/linux/cgroup/cgroup.ts'
import { openCgroups, reopenCgroup } from '../../src/linux/cgroup/open-cgroups.ts'
import { formatStatsEvent } from '../../src/linux/cgroup/stats-event.ts'
import { IN_V2, runAgainInV2, startIn, until } from '../harness/cgroups.ts'
import { findProgram } from '../harness/runtime.ts'

const host = openCgroups()
const NAME = `berth-test-h4-limits-${process.pid}${IN_V2 ? '-v2' : ''}`

function newGroup(t: TestContext, name: string, from = host): Cgroup {
  const group = from.open(`/${NAME}/${name}`)
  t.after(async () => {
    group.killAll()
    await group.remove()
    await from.open(`/${NAME}`).remove()
  })
  return group
}

const read = (group: Cgroup, controller: string, file: string) =>
  readFileSync(`${host.mountpoints.get(controller)}${group.path}/${file}`, 'utf8').trim()

if (process.env['BERTH_TEST_NET'] === '1') {
  test('network classes and priorities reach the kernel', async (t) => {
    const group = newGroup(t, 'net')
    await group.create({ networkClassId: 0x10_0001, networkPriorities: [{ name: 'lo', priority: 5 }] })
    assert.equal(read(group, 'net_cls', 'net_cls.classid'), String(0x10_0001))
    assert.match(read(group, 'net_prio', 'net_prio.ifpriomap'), /^lo 5$/m)
  })
} else if (IN_V2) {
  test('huge pages are limited where v2 has their controller, and nothing else here', async (t) => {
    const group = newGroup(t, 'huge')
    if (!host.controllers.has('hugetlb')) return t.skip('no controller to try')
    await group.create({ hugepageBytes: { '2MB': 4 << 20 } })
    assert.equal(read(group, 'hugetlb', 'hugetlb.2MB.max'), String(4 << 20))
    assert.equal(read(group, 'hugetlb', 'hugetlb.2MB.rsvd.max'), String(4 << 20))
    assert.deepEqual(group.stats().hugepages['2MB'], { usageBytes: 0n, maxUsageBytes: 0n, failures: 0n })
    await group.update({ unified: { 'hugetlb.2MB.max': 'max' } })
    assert.equal(read(group, 'hugetlb', 'hugetlb.2MB.max'), 'max')
  })

  test('without its controller a limit is refused in words that say so, and nothing is left', async (t) => {
    const group = newGroup(t, 'missing')
    const cases: [CgroupLimits, RegExp][] = [
      [
        { memoryBytesMax: 1 << 26 },
        /^cannot set memory limit: controller "memory" not available: open \/.*\/memory\.max: no such file or directory$/,
      ],
      [
        { unified: { 'memory.high': '1' } },
        /^unified resource "memory\.high" can't be set: controller "memory" not available$/,
      ],
      [
        { unified: { 'cgroup.nope': '1' } },
        /^unable to set unified resource "cgroup\.nope": .*no such file or directory$/,
      ],
      [{ hugepageBytes: { '3MB': 1 } }, /hugetlb\.3MB\.max: no such file or directory$/],
    ]
    for (const [limits, message] of cases) {
      await assert.rejects(group.create(limits), { message }, JSON.stringify(limits))
      assert.ok(!group.exists())
    }
    await group
      .create({ memoryBytesMax: -1, memorySwapBytesMax: -1 })
      .catch((error: Error) => assert.match(error.message, /memory\.max/))
    await group.create({ unified: { 'cgroup.max.depth': '7' } })
    assert.equal(readFileSync(`/sys/fs/cgroup${group.path}/cgroup.max.depth`, 'utf8').trim(), '7')
    assert.throws(() => group.watchOom(() => {}), { message: 'memory controller missing' })
  })

  test('pressure is counted without any controller', async (t) => {
    const group = newGroup(t, 'pressure')
    await group.create({})
    const { cpu, pids } = group.stats()
    assert.equal(typeof cpu.pressure?.some.avg10, 'number')
    assert.equal(pids?.current, 0n)
  })
} else {
  test('the same holds for v2', (t) => runAgainInV2(t, import.meta.url))

  test('period, quota and burst change in any direction', async (t) => {
    const group = newGroup(t, 'cpu')
    await group.create({ cpuPeriodUs: 100_000, cpuQuotaUs: 50_000, cpuBurstUs: 50_000 })
    const values = () =>
      ['cfs_period_us', 'cfs_quota_us', 'cfs_burst_us'].map((file) => Number(read(group, 'cpu', `cpu.${file}`)))
    assert.deepEqual(values(), [100_000, 50_000, 50_000])
    const parent = host.open(`/${NAME}`) // holds its child to half a processor
    await parent.update({ cpuPeriodUs: 100_000, cpuQuotaUs: 50_000 })
    await group.update({ cpuPeriodUs: 10_000, cpuQuotaUs: 5_000, cpuBurstUs: 1_000 })
    assert.deepEqual(values(), [10_000, 5_000, 1_000])
    await group.update({ cpuPeriodUs: 200_000, cpuQuotaUs: 100_000, cpuBurstUs: 90_000 })
    assert.deepEqual(values(), [200_000, 100_000, 90_000])
    await assert.rejects(group.update({ cpuPeriodUs: 100_000, cpuQuotaUs: 60_000 }), { code: 'invalid-argument' })
    await group.update({ cpuIdle: 1 })
    assert.equal(read(group, 'cpu', 'cpu.idle'), '1')
  })

  test('a memory limit below what is in use is refused with the numbers', async (t) => {
    const group = newGroup(t, 'busy')
    const limit = 64 << 20
    await group.create({ memoryBytesMax: limit, memorySwapBytesMax: limit })
    const child = await startIn(
      group,
      `exec ${process.execPath} -e 'const b = Buffer.alloc(24 << 20, 1); console.log("up"); setInterval(() => b, 1000)'`,
    )
    await once(child.stdout!, 'data')
    await assert.rejects(group.update({ memoryBytesMax: 8 << 20, memorySwapBytesMax: 8 << 20 }), {
      code: 'failed-precondition',
      message: /^unable to set memory limit to 8388608 \(current usage: \d+, peak usage: \d+\)$/,
    })
    child.kill('SIGKILL')
  })

  test('whoever watches is told of a kill, and of the end of the group', async (t) => {
    const group = newGroup(t, 'watched')
    await group.create({ memoryBytesMax: 16 << 20, memorySwapBytesMax: 16 << 20 })
    let kills = 0
    let gone = 0
    const watcher = group.watchOom(
      () => kills++,
      () => gone++,
    )
    t.after(() => watcher.close())
    const child = await startIn(group, 'exec 2>/dev/null; tail /dev/zero; sleep 1000')
    await until(() => kills === 1, 'the kill')
    assert.equal(gone, 0)
    child.kill('SIGKILL')
    group.killAll()
    await group.remove()
    await until(() => gone === 1, 'the end')
    assert.equal(kills, 1)
  })

  test('a controller that is not mounted is named, and unified is not for v1', async (t) => {
    const group = newGroup(t, 'unmounted')
    const absent = ['hugetlb', 'net_cls', 'rdma'].filter((name) => !host.controllers.has(name))
    if (absent.includes('hugetlb'))
      await assert.rejects(group.create({ hugepageBytes: { '2MB': 1 } }), {
        message: 'cannot set hugetlb limit: container could not join or create cgroup (hugetlb.2MB.limit_in_bytes)',
      })
    if (absent.includes('net_cls'))
      await assert.rejects(group.create({ networkClassId: 1 }), { message: /^cannot set net_cls limit: / })
    await assert.rejects(group.create({ unified: { 'memory.high': '1' } }), {
      message: 'invalid configuration: cannot use unified on cgroup v1',
    })
    assert.ok(!group.exists())
  })

  test('network classes and priorities, where their hierarchies are mounted', async (t) => {
    if (['net_cls', 'net_prio'].some((name) => host.controllers.has(name))) return t.skip('mounted already')
    const directory = mkdtempSync(join(tmpdir(), 'cgroup-net-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const script = [
      'mount --make-rprivate /',
      `mount -t tmpfs none ${directory}`,
      `for n in net_cls net_prio; do mkdir ${directory}/$n && mount -t cgroup -o $n none ${directory}/$n || exit 77; done`,
      '"$0" "$1"',
      // A hierarchy only goes with its last mount when its groups are gone, which takes a moment.
      'status=$?; i=0',
      'while grep -qE "^net_(cls|prio)[[:space:]][0-9]+[[:space:]]([2-9]|[0-9]{2})" /proc/cgroups && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done',
      'exit $status',
    ].join('\n')
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const args = ['--mount', 'sh', '-c', script, process.execPath, fileURLToPath(import.meta.url)]
    const child = spawnSync('unshare', args, {
      env: { ...env, BERTH_TEST_NET: '1' },
      encoding: 'utf8',
      timeout: 30_000,
    })
    if (child.status === 77) return t.skip('not in this kernel')
    assert.equal(child.status, 0, child.stdout + child.stderr)
    assert.match(child.stdout, /^# pass 1$/m)
  })

  test('throttles reach the block devices', async (t) => {
    const disk = readFileSync('/proc/partitions', 'utf8').match(
      /^ *(\d+) +(\d+) +\d+ ((?:vd|sd|nvme\d+n|loop|ram)\w+)$/m,
    )
    if (disk === null) return t.skip('no block device')
    const group = newGroup(t, 'throttle')
    const [major, minor] = [Number(disk[1]), Number(disk[2])]
    const at = (rate: number) =>
      (['read-bps', 'write-bps', 'read-iops', 'write-iops'] as const).map((kind) => ({ kind, major, minor, rate }))
    await group.create({ blockIoThrottles: at(1 << 20) })
    for (const file of ['read_bps', 'write_bps', 'read_iops', 'write_iops'])
      assert.equal(read(group, 'blkio', `blkio.throttle.${file}_device`), `${major}:${minor} ${1 << 20}`)
    await group.update({ blockIoThrottles: at(0) })
    assert.equal(read(group, 'blkio', 'blkio.throttle.read_bps_device'), '')
    const weights = existsSync(`${host.mountpoints.get('blkio')}${group.path}/blkio.bfq.weight`)
    if (weights) await group.update({ blockIoWeight: 500 })
    else await assert.rejects(group.update({ blockIoWeight: 500 }), { code: 'not-found', message: /blkio\.weight/ })
  })

  test('the counters of a container of runc are told as runc tells them', async (t) => {
    const runc = findProgram('runc')
    const busybox = findProgram('busybox')
    if (runc === undefined || busybox === undefined) return t.skip('no runc, no busybox')
    const directory = mkdtempSync(join(tmpdir(), 'cgroup-runc-'))
    const id = `${NAME}-runc`
    const root = ['--root', join(directory, 'state')]
    t.after(async () => {
      spawnSync(runc, [...root, 'delete', '-f', id])
      rmSync(directory, { recursive: true })
      await host.open(`/${NAME}`).remove()
    })
    writeBundle(directory, busybox, runc)
    const started = spawnSync(runc, [...root, 'run', '-d', '--bundle', directory, id], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    assert.equal(started.status, 0)
    const paths: unknown = JSON.parse(readFileSync(join(directory, 'state', id, 'state.json'), 'utf8')).cgroup_paths
    const group = reopenCgroup({
      version: 1,
      path: `/${NAME}/runc`,
      paths: paths as Record<string, string>,
      rootless: false,
    })
    assert.equal(group.pids().length, 1)
    const theirs: unknown = JSON.parse(spawnSync(runc, [...root, 'events', '--stats', id], { encoding: 'utf8' }).stdout)
    const ours: unknown = JSON.parse(formatStatsEvent({ id, version: 1, stats: group.stats() }))
    assert.deepEqual(shapeOf(ours), shapeOf(theirs))
  })
}

function writeBundle(directory: string, busybox: string, runc: string): void {
  mkdirSync(join(directory, 'rootfs/bin'), { recursive: true })
  cpSync(busybox, join(directory, 'rootfs/bin/busybox'))
  assert.equal(spawnSync(runc, ['spec', '--bundle', directory]).status, 0)
  const file = join(directory, 'config.json')
  const config = JSON.parse(readFileSync(file, 'utf8'))
  Object.assign(config.process, { terminal: false, args: ['/bin/busybox', 'sleep', '1000'] })
  Object.assign(config.linux, { cgroupsPath: `/${NAME}/runc` })
  config.linux.resources.memory = { limit: 64 << 20 }
  writeFileSync(file, JSON.stringify(config))
}

/** Keys in their order, and the values that do not move with time. Counters that may still be zero, and so missing, are left out. */
function shapeOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return typeof value
  if (Array.isArray(value)) return value.map((item: unknown) => shapeOf(item))
  return Object.entries(value)
    .filter(([key]) => !['total', 'usage_in_bytes', 'max', 'usage', 'psi', 'cache'].includes(key) || key === 'limit')
    .map(([key, item]) => [key, key === 'limit' || key === 'cpus' ? item : shapeOf(item)])
}
