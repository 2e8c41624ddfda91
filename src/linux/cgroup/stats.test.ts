import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { mergeBlockIo, readV1Stats } from './v1-stats.ts'
import { parseIoStat, readV2Stats } from './v2-stats.ts'

function group(t: { after(work: () => void): void }, files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), 'cgroup-'))
  t.after(() => rmSync(directory, { recursive: true }))
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

test('v1 counters', (t) => {
  const directory = group(t, {
    'cpuacct.usage': '1234\n',
    'cpuacct.usage_percpu': '1000 234 \n',
    'cpuacct.stat': 'user 5\nsystem 7\n',
    'cpu.stat': 'nr_periods 3\nnr_throttled 2\nthrottled_time 99\n',
    'memory.usage_in_bytes': '4096\n',
    'memory.max_usage_in_bytes': '8192\n',
    'memory.limit_in_bytes': '67108864\n',
    'memory.failcnt': '4\n',
    'memory.stat': 'cache 10\nrss 20\ntotal_inactive_file 30\n',
    'pids.current': '2\n',
    'pids.max': 'max\n',
  })
  const stats = readV1Stats((controller) => (controller === 'blkio' ? undefined : directory), 1)
  assert.deepEqual(stats, {
    cpu: {
      usageNs: 1234n,
      userNs: 50_000_000n,
      systemNs: 70_000_000n,
      perCpuNs: [1000n, 234n],
      periods: 3n,
      throttledPeriods: 2n,
      throttledNs: 99n,
    },
    memory: {
      usageBytes: 4096n,
      maxUsageBytes: 8192n,
      limitBytes: 67_108_864n,
      failures: 4n,
      stat: { cache: 10n, rss: 20n, total_inactive_file: 30n },
    },
    pids: { current: 2n, limit: undefined },
    blockIo: [],
    oomKills: 1,
  })
})

test('v2 counters, in nanoseconds', (t) => {
  const directory = group(t, {
    'cpu.stat': 'usage_usec 10\nuser_usec 6\nsystem_usec 4\nnr_periods 1\nnr_throttled 1\nthrottled_usec 3\n',
    'memory.current': '4096\n',
    'memory.max': 'max\n',
    'memory.events': 'low 0\nmax 5\noom_kill 1\n',
    'memory.stat': 'anon 1\ninactive_file 2\n',
    'pids.current': '2\n',
    'pids.max': '50\n',
    'io.stat': '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:16 \n',
  })
  const stats = readV2Stats(directory, 1)
  assert.equal(stats.cpu.usageNs, 10_000n)
  assert.equal(stats.cpu.throttledNs, 3000n)
  assert.equal(stats.memory?.failures, 5n)
  assert.ok(stats.memory!.limitBytes > 2n ** 62n)
  assert.deepEqual(stats.pids, { current: 2n, limit: 50n })
  assert.equal(stats.blockIo.length, 3)
})

test('a group that is gone has zeros, not failures', () => {
  assert.equal(readV2Stats('/nowhere', 0).cpu.usageNs, 0n)
  assert.equal(readV1Stats(() => '/nowhere', 0).memory, undefined)
})

test('block I/O joins bytes and operations by device and direction', () => {
  assert.deepEqual(mergeBlockIo('8:0 Read 4096\n8:0 Write 1\nTotal 4097\n', '8:0 Read 2\nTotal 2\n'), [
    { major: 8, minor: 0, operation: 'Read', bytes: 4096n, operations: 2n },
    { major: 8, minor: 0, operation: 'Write', bytes: 1n, operations: 0n },
  ])
  assert.deepEqual(parseIoStat('259:3 wbytes=7 rbytes=9 rios=1 wios=2\n')[0], {
    major: 259,
    minor: 3,
    operation: 'Read',
    bytes: 9n,
    operations: 1n,
  })
})
