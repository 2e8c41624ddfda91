import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatStatsEvent } from '../cgroup/stats-event.ts'
import { readV2Stats } from '../cgroup/v2-stats.ts'
import { type IntelRdtSpec, ResctrlGroup } from './resctrl-group.ts'
import { readResctrlStats } from './resctrl-stats.ts'
import { contradictions, schemaLines } from './schemata.ts'

const INFO = {
  'info/L3/cbm_mask': '7ff\n',
  'info/L3/min_cbm_bits': '1\n',
  'info/L3/num_closids': '16\n',
  'info/MB/bandwidth_gran': '10\n',
  'info/MB/delay_linear': '1\n',
  'info/MB/min_bandwidth': '10\n',
  'info/MB/num_closids': '8\n',
  'info/L3_MON/mon_features': 'llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n',
  'info/last_cmd_status': 'ok\n',
  schemata: '    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n',
}

/** A directory that looks like resctrl; unlike it, a new group has no files unless they are given. */
function fakeResctrl(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'resctrl-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

const create = (root: string, spec: IntelRdtSpec) => ResctrlGroup.create({ root, id: 'c1', spec })

test('lines are written in order, and old fields hold lines of their own resource only', () => {
  const cases: [IntelRdtSpec, string[]][] = [
    [{}, []],
    [{ l3CacheSchema: 'L3:0=7f0;1=1f' }, ['L3:0=7f0;1=1f']],
    [{ memBwSchema: 'MB:0=20', l3CacheSchema: 'L3:0=1' }, ['L3:0=1', 'MB:0=20']],
    [{ l3CacheSchema: 'L3:0=1\nMB:0=50\n' }, ['L3:0=1']],
    [{ l3CacheSchema: 'L3CODE:0=1\nL3DATA:0=3' }, ['L3CODE:0=1', 'L3DATA:0=3']],
    [{ memBwSchema: 'MB:0=20', schemata: ['L2:0=f', 'MB:0=30'] }, ['MB:0=20', 'L2:0=f', 'MB:0=30']],
  ]
  for (const [spec, lines] of cases) assert.deepEqual(schemaLines(spec), lines, JSON.stringify(spec))
  const refused: [IntelRdtSpec, string][] = [
    [{ l3CacheSchema: '0=7' }, 'linux.intelRdt.l3CacheSchema: "0=7" is no line of a schema'],
    [{ memBwSchema: 'L3:0=7' }, 'linux.intelRdt.memBwSchema: "L3:0=7" is no line of a schema'],
    [{ schemata: ['MB:0=1', 'nonsense'] }, 'linux.intelRdt.schemata[1]: "nonsense" is no line of a schema'],
  ]
  for (const [spec, message] of refused) assert.throws(() => schemaLines(spec), { code: 'invalid-argument', message })
})

test('two schemas are the same whatever their spacing, zeros and order', () => {
  const present = '    L3:0=7f0;1=01f\n    MB:0= 20;1= 70\n'
  for (const same of ['L3:1=1F;0=7f0', 'L3:0=07f0', 'MB:1=70;0=20', 'L3:00=7f0\nMB:0=20'])
    assert.deepEqual(contradictions(same, present), [], same)
  for (const other of ['L3:0=7f1', 'L3:2=1', 'L2:0=1', 'MB:0=21'])
    assert.deepEqual(contradictions(other, present), [other])
})

test('a container has a class of its own, entered by its first process, and gone with it', (t) => {
  const root = fakeResctrl(t, INFO)
  const group = create(root, { enableMonitoring: false })
  assert.ok(existsSync(join(root, 'c1')))
  assert.deepEqual(group.entry(), [{ op: 'write-file', path: join(root, 'c1/tasks'), data: '0' }])
  const again = ResctrlGroup.reopen(JSON.parse(JSON.stringify(group.describe())))
  writeFileSync(join(root, 'c1/schemata'), '')
  again.update({ l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20' })
  assert.equal(readFileSync(join(root, 'c1/schemata'), 'utf8'), 'L3:0=f\nMB:0=20\n')
  writeFileSync(join(root, 'c1/tasks'), '')
  again.add(77)
  assert.equal(readFileSync(join(root, 'c1/tasks'), 'utf8'), '77')
  for (const file of ['schemata', 'tasks']) rmSync(join(root, 'c1', file)) // resctrl takes them away with the directory
  again.remove()
  assert.ok(!existsSync(join(root, 'c1')))
  again.remove()
})

test('a class with a name must be there where nothing is said of it, and stays for others', (t) => {
  const root = fakeResctrl(t, { ...INFO, 'gold/schemata': 'L3:0=00f\n', 'gold/mon_groups/keep': '' })
  assert.throws(() => create(root, { closID: 'silver' }), {
    message:
      /^linux\.intelRdt\.closID: clos dir not accessible \(must be pre-created when schemata, l3CacheSchema and memBwSchema are empty\)/,
  })
  const group = create(root, { closID: 'gold', l3CacheSchema: 'L3:0=f', enableMonitoring: true })
  assert.ok(existsSync(join(root, 'gold/mon_groups/c1')))
  assert.deepEqual(
    group.entry().map((step) => step.op === 'write-file' && step.path),
    [join(root, 'gold/tasks'), join(root, 'gold/mon_groups/c1/tasks')],
  )
  assert.equal(readFileSync(join(root, 'gold/schemata'), 'utf8'), 'L3:0=00f\n') // not touched
  group.remove()
  assert.ok(existsSync(join(root, 'gold')) && !existsSync(join(root, 'gold/mon_groups/c1')))
  assert.throws(() => create(root, { closID: 'gold', l3CacheSchema: 'L3:0=ff' }), {
    message: 'linux.intelRdt: "L3:0=ff" is not what the existing group gold has',
  })
})

test('a group that cannot be set up is undone, with what the kernel says of it', (t) => {
  const root = fakeResctrl(t, { ...INFO, 'info/last_cmd_status': 'mask f1 has non-consecutive 1-bits\n' })
  assert.throws(() => create(root, { l3CacheSchema: 'L3:0=f1' }), {
    message:
      /^intelrdt: unable to write "L3:0=f1\\n": .*no such file or directory, last_cmd_status: mask f1 has non-consecutive 1-bits$/,
  })
  assert.ok(!existsSync(join(root, 'c1')))
})

test('what the processor cannot do, and names that are none, are refused by field', (t) => {
  const bare = fakeResctrl(t, { schemata: '' })
  const cases: [IntelRdtSpec, RegExp][] = [
    [{ l3CacheSchema: 'L3:0=1' }, /^linux\.intelRdt\.l3CacheSchema: .*Intel RDT\/CAT is not enabled$/],
    [{ memBwSchema: 'MB:0=1' }, /^linux\.intelRdt\.memBwSchema: .*Intel RDT\/MBA is not enabled$/],
    [{ enableMonitoring: true }, /^linux\.intelRdt\.enableMonitoring: /],
    [{ closID: '..' }, /^linux\.intelRdt\.closID: invalid intelRdt\.ClosID "\.\."$/],
    [{ closID: '.' }, /^linux\.intelRdt\.closID: /],
    [{ closID: '../../etc' }, /^linux\.intelRdt\.closID: /],
  ]
  for (const [spec, message] of cases) assert.throws(() => create(bare, spec), { message }, JSON.stringify(spec))
})

test('what is counted is told under the names of runc', (t) => {
  const root = fakeResctrl(t, {
    ...INFO,
    'c1/schemata': 'L3:0=f\nMB:0=20\n',
    'c1/mon_data/mon_L3_00/llc_occupancy': '4096\n',
    'c1/mon_data/mon_L3_00/mbm_total_bytes': '10\n',
    'c1/mon_data/mon_L3_00/mbm_local_bytes': '7\n',
  })
  const stats = readResctrlStats({ root, directory: join(root, 'c1'), isOurs: true })
  const event = formatStatsEvent({ id: 'c1', version: 2, stats: readV2Stats('/nowhere', 0), intelRdt: stats })
  assert.match(event, /"intel_rdt":\{"l3_cache_info":\{"cbm_mask":"7ff","min_cbm_bits":1,/)
  assert.deepEqual(stats, {
    l3_cache_info: { cbm_mask: '7ff', min_cbm_bits: 1n, num_closids: 16n },
    l3_cache_schema_root: 'L3:0=7ff;1=7ff',
    l3_cache_schema: 'L3:0=f',
    mem_bw_info: { bandwidth_gran: 10n, delay_linear: 1n, min_bandwidth: 10n, num_closids: 8n },
    mem_bw_schema_root: 'MB:0=100;1=100',
    mem_bw_schema: 'MB:0=20',
    schemata: ['L3:0=f', 'MB:0=20'],
    mbm_stats: [{ mbm_total_bytes: 10n, mbm_local_bytes: 7n }],
    cmt_stats: [{ llc_occupancy: 4096n }],
  })
})
