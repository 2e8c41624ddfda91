import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldsAt } from './field-gates.ts'
import { compareVersions } from './versions.ts'

const at = (version: string) => ({ atLeast: (other: string) => compareVersions(version, other) >= 0 })

test('fields come and go with the version, at any depth', () => {
  const whole = {
    New: 1,
    Old: 2,
    Kept: { Inner: 3, Other: 4 },
    Map: { a: { status: 1, path: 'x' }, b: { path: 'y' } },
    List: [{ Old: 1, x: 1 }, 'text', null],
  }
  const gates = [
    { path: 'New', since: '1.44' },
    { path: 'Old', until: '1.44' },
    { path: 'Kept.Inner', since: '1.44' },
    { path: 'Map.*.status', since: '1.44' },
    { path: 'List.*.Old', until: '1.44' },
    { path: 'Absent.Too', since: '1.44' },
  ] as const
  assert.deepEqual(fieldsAt(at('1.43'), gates, whole), {
    Old: 2,
    Kept: { Other: 4 },
    Map: { a: { path: 'x' }, b: { path: 'y' } },
    List: [{ Old: 1, x: 1 }, 'text', null],
  })
  assert.deepEqual(fieldsAt(at('1.44'), gates, whole), {
    New: 1,
    Kept: { Inner: 3, Other: 4 },
    Map: { a: { status: 1, path: 'x' }, b: { path: 'y' } },
    List: [{ x: 1 }, 'text', null],
  })
  assert.equal(whole.New, 1, 'the handler’s own value stays')
})
