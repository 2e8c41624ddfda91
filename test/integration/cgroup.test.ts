// Control groups on the real kernel: v1 as this host has it, v2 in a mount namespace where the unified tree stands alone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import type { Cgroup } from '../../src/linux/cgroup/cgroup.ts'
import { openCgroups } from '../../src/linux/cgroup/open-cgroups.ts'
import { planCgroupLimits } from '../../src/runtime/plan-cgroup-limits.ts'
import { IN_V2, outputOf, runAgainInV2, startIn, until } from '../harness/cgroups.ts'

const host = openCgroups()
const PATH = `/berth-test-${process.pid}`

function newGroup(t: TestContext, name: string): Cgroup {
  const group = host.open(`${PATH}/${name}`)
  t.after(async () => {
    group.killAll()
    await group.remove()
    await host.open(PATH).remove()
  })
  return group
}

if (IN_V2) {
  test('the unified hierarchy alone is v2', () => {
    assert.equal(host.version, 2)
  })
} else {
  test('the same holds for v2', (t) => runAgainInV2(t, import.meta.url))

  test('limits reach the kernel, and a live update changes them', async (t) => {
    const group = newGroup(t, 'limits')
    await group.create({
      memoryBytesMax: 64 << 20,
      memorySwapBytesMax: 128 << 20,
      cpuShares: 512,
      cpuQuotaUs: 50_000,
      cpuPeriodUs: 100_000,
      pidsMax: 50,
    })
    await group.create({ memoryBytesMax: 64 << 20 }) // safe to repeat
    const read = (controller: string, file: string) =>
      readFileSync(`${host.mountpoints.get(controller)}${group.path}/${file}`, 'utf8').trim()
    assert.equal(read('memory', 'memory.limit_in_bytes'), String(64 << 20))
    assert.equal(read('memory', 'memory.memsw.limit_in_bytes'), String(128 << 20))
    assert.equal(read('cpu', 'cpu.shares'), '512')
    assert.equal(read('cpu', 'cpu.cfs_quota_us'), '50000')
    assert.equal(read('pids', 'pids.max'), '50')
    assert.notEqual(read('cpuset', 'cpuset.cpus'), '')
    assert.notEqual(read('cpuset', 'cpuset.mems'), '')
    await group.update({ memoryBytesMax: 256 << 20, memorySwapBytesMax: 512 << 20, pidsMax: -1 })
    assert.equal(read('memory', 'memory.limit_in_bytes'), String(256 << 20))
    assert.equal(read('pids', 'pids.max'), 'max')
  })

  test('the OOM killer is counted', async (t) => {
    const group = newGroup(t, 'oom')
    await group.create({ memoryBytesMax: 16 << 20, memorySwapBytesMax: 16 << 20 })
    assert.equal(group.oomKills(), 0)
    const child = await startIn(group, 'exec tail /dev/zero')
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    assert.equal(group.oomKills(), 1)
    assert.ok(group.stats().memory!.maxUsageBytes! <= 16n << 20n)
  })

  test('the process moves itself, by the file that needs no kernel-wide lock', () => {
    for (const step of host.open(`${PATH}/entry`).entry().steps) {
      assert.ok(step.op === 'write-file')
      assert.match(step.path, /\/tasks$/)
      assert.equal(step.data, '0')
    }
  })
}

test('a failed creation leaves nothing behind', async () => {
  const group = host.open(`${PATH}/failed`)
  await assert.rejects(group.create({ cpusetCpus: '9999' }))
  assert.deepEqual(group.pids(), [])
  for (const { directory } of group.entry().hierarchies) assert.ok(!existsSync(directory), directory)
  assert.ok(!existsSync(group.entry().directory ?? '/nowhere'))
  await host.open(PATH).remove()
})

test('a process in the group is listed, frozen, thawed and killed', async (t) => {
  const group = newGroup(t, 'life')
  await group.create({})
  const child = await startIn(group, 'while :; do :; done')
  assert.deepEqual(group.pids(), [child.pid])
  await until(() => group.stats().cpu.usageNs > 1_000_000n || IN_V2)
  await group.freeze()
  assert.ok(group.isFrozen())
  await group.thaw()
  assert.ok(!group.isFrozen())
  await group.freeze()
  group.killAll() // takes frozen ones too
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL')
  await until(() => group.pids().length === 0)
})

test('a group with children below it goes as a whole', async (t) => {
  const group = newGroup(t, 'tree')
  await group.create({})
  await host.open(`${group.path}/a/b`).create({})
  assert.deepEqual(host.list(group.path), [`${group.path}/a`])
  await group.remove()
  for (const { directory } of group.entry().hierarchies) assert.ok(!existsSync(directory), directory)
  await group.remove()
  assert.deepEqual(host.list(group.path), [])
})

test('devices: what is denied cannot be opened, what is allowed can, and an update replaces the rules', async (t) => {
  const group = newGroup(t, 'devices')
  await group.create(planCgroupLimits({ devices: [{ allow: false, access: 'rwm' }] }))
  const probe = 'for d in null full kmsg; do head -c0 /dev/$d 2>/dev/null && echo $d; done; true'
  const [full, kmsg] = [existsSync('/dev/full'), existsSync('/dev/kmsg')]
  assert.ok(full && kmsg)
  assert.equal(await outputOf(await startIn(group, probe)), 'null\nfull')
  await group.update({ devices: [{ allow: true, type: 'a', major: undefined, minor: undefined, access: 'rwm' }] })
  assert.equal(await outputOf(await startIn(group, probe)), 'null\nfull\nkmsg')
})

test('paths that leave the hierarchy are refused', () => {
  for (const path of ['/', '', 'relative', '/a/../..', '/a//b', '/a/./b', '/a\0b'])
    assert.throws(() => host.open(path), { code: 'invalid-argument' }, path)
})
