import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildResources } from './resources.ts'

const MB = 1 << 20
const nothing = () => []

test('what is zero or empty says nothing', () => {
  const zero = { Memory: 0, KernelMemory: 0, PidsLimit: 0, CpusetCpus: '', NanoCpus: 0, BlkioDeviceReadBps: [] }
  assert.deepEqual(buildResources(zero, nothing), {})
})

test('memory has all of its words, those of old kernels too', () => {
  const given = {
    ...{ Memory: 64 * MB, MemorySwap: -1, MemoryReservation: 32 * MB, MemorySwappiness: 5 },
    ...{ KernelMemory: 16 * MB, KernelMemoryTCP: 8 * MB, OomKillDisable: true },
  }
  assert.deepEqual(buildResources(given, nothing).memory, {
    ...{ limit: 64 * MB, swap: -1, reservation: 32 * MB, swappiness: 5 },
    ...{ kernel: 16 * MB, kernelTCP: 8 * MB, disableOOMKiller: true },
  })
})

test('processors are a quota of a tenth of a second', () => {
  assert.deepEqual(buildResources({ NanoCpus: 1.5e9 }, nothing).cpu, { quota: 150_000, period: 100_000 })
  const realtime = { CpuRealtimePeriod: 1_000_000, CpuRealtimeRuntime: 950_000 }
  assert.deepEqual(buildResources(realtime, nothing).cpu, { realtimePeriod: 1_000_000, realtimeRuntime: 950_000 })
})

test('devices of block limits are named by their numbers, and must be there', () => {
  const node = { path: '/dev/x', type: 'b' as const, major: 8, minor: 1, mode: 0o600, uid: 0, gid: 0 }
  const given = { BlkioWeightDevice: [{ Path: '/dev/x', Weight: 100 }] }
  assert.deepEqual(buildResources(given, () => [node]).blockIO, {
    weightDevice: [{ major: 8, minor: 1, weight: 100 }],
  })
  assert.throws(() => buildResources(given, nothing), { message: 'stat /dev/x: no such file or directory' })
})
