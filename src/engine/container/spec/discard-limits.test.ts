import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostConfig } from '../../../api/container-types.ts'
import { discardLimits } from './discard-limits.ts'

const ALL = { memory: true, cpuQuota: true, cpuShares: true, cpuset: true, pids: true }
const NONE = { memory: false, cpuQuota: false, cpuShares: false, cpuset: false, pids: false }

test('limits stay where there are controllers for them', () => {
  const hostConfig: HostConfig = { Memory: 1, PidsLimit: 2, NanoCpus: 3 }
  assert.deepEqual(discardLimits(hostConfig, ALL), [])
  assert.deepEqual(hostConfig, { Memory: 1, PidsLimit: 2, NanoCpus: 3 })
})

test('limits without a controller go, each with its warning', () => {
  const hostConfig: HostConfig = { Memory: 1, MemorySwap: 2, PidsLimit: 3, CpuShares: 0, CpusetCpus: '' }
  assert.deepEqual(discardLimits(hostConfig, NONE), [
    'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
  ])
  assert.deepEqual(hostConfig, { CpuShares: 0, CpusetCpus: '' })
})

test('a number of processors that cannot hold is refused', () => {
  assert.throws(() => discardLimits({ NanoCpus: 5e8 }, NONE), {
    code: 'invalid-argument',
    message: /^NanoCPUs can not be set/,
  })
})
