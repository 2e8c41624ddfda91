import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRuntimeSpec } from './parse-runtime-spec.ts'

const parse = (spec: unknown) => parseRuntimeSpec(JSON.stringify(spec))
const base = { ociVersion: '1.0.2', process: { cwd: '/', args: ['sh'] } }

test('what the specification names is kept, everything else and every null is left out', () => {
  const spec = parse({ ...base, windows: {}, hostname: null, process: { ...base.process, user: { uid: 7 }, extra: 1 } })
  assert.deepEqual(spec, { ociVersion: '1.0.2', process: { cwd: '/', args: ['sh'], user: { uid: 7, gid: 0 } } })
})

test('a failure names the field', () => {
  const cases: [unknown, string][] = [
    [{ ...base, ociVersion: 7 }, 'ociVersion'],
    [{ ...base, ociVersion: '2.0.0' }, 'ociVersion'],
    [[], 'spec'],
    [{ process: { cwd: '/' } }, 'ociVersion'],
    [{ ...base, process: { args: ['sh'] } }, 'process.cwd'],
    [{ ...base, process: { cwd: 'relative' } }, 'process.cwd'],
    [{ ...base, process: { ...base.process, args: ['a', 1] } }, 'process.args[1]'],
    [{ ...base, process: { ...base.process, args: ['a\0b'] } }, 'process.args[0]'],
    [{ ...base, process: { ...base.process, user: { uid: -1 } } }, 'process.user.uid'],
    [{ ...base, process: { ...base.process, user: { uid: 2 ** 32 - 1 } } }, 'process.user.uid'],
    [{ ...base, process: { ...base.process, oomScoreAdj: 1001 } }, 'process.oomScoreAdj'],
    [{ ...base, process: { ...base.process, rlimits: [{ type: 'RLIMIT_CORE', soft: 1 }] } }, 'process.rlimits[0].hard'],
    [{ ...base, mounts: [{ source: 'x' }] }, 'mounts[0].destination'],
    [{ ...base, mounts: 'x' }, 'mounts'],
    [{ ...base, linux: { namespaces: [{ type: 'unknown' }] } }, 'linux.namespaces[0].type'],
    [{ ...base, linux: { sysctl: { a: 1 } } }, 'linux.sysctl.a'],
    [
      { ...base, linux: { resources: { devices: [{ allow: true, access: 'x' }] } } },
      'linux.resources.devices[0].access',
    ],
    [{ ...base, linux: { devices: [{ type: 'x', path: '/dev/x' }] } }, 'linux.devices[0].type'],
    [
      { ...base, linux: { seccomp: { defaultAction: 'x', syscalls: [{ names: [] }] } } },
      'linux.seccomp.syscalls[0].action',
    ],
  ]
  for (const [spec, field] of cases)
    assert.throws(
      () => parse(spec),
      (error) => error instanceof Error && error.message.startsWith(`${field}:`),
      field,
    )
})

test('text that is no JSON, and inherited names, are harmless', () => {
  assert.throws(() => parseRuntimeSpec('{'), { code: 'invalid-argument' })
  assert.throws(() => parseRuntimeSpec('{"__proto__": {"ociVersion": "1.0.0"}}'), { message: /^ociVersion/ })
})
