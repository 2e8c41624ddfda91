import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addRuntime, runtimesFromJson } from './runtime-setting.ts'

test('runtimes come by flag, one after the other', () => {
  const one = addRuntime({}, 'Crun=/usr/bin/crun')
  assert.deepEqual(addRuntime(one, 'other= runsc'), {
    crun: { path: '/usr/bin/crun', args: [] },
    other: { path: 'runsc', args: [] },
  })
})

test('runtimes come by file, with arguments, or as containerd names them', () => {
  const given = {
    crun: { path: 'crun', runtimeArgs: ['--debug'] },
    b: { runtimeType: 'io.containerd.runc.v2', options: { BinaryName: '/b' } },
  }
  assert.deepEqual(runtimesFromJson(given), { crun: { path: 'crun', args: ['--debug'] }, b: { path: '/b', args: [] } })
})

const WRONG_FLAGS: [string, string][] = [
  ['crun', 'invalid runtime argument: crun'],
  ['=x', 'invalid runtime argument: =x'],
  ['x=', 'invalid runtime argument: x='],
  ['runc=/x', "runtime name 'runc' is reserved"],
  ['io.containerd.x=/x', "runtime name 'io.containerd.x' is reserved"],
  ['../x=/x', 'invalid runtime name: "../x"'],
  ['known=/x', "runtime 'known' was already defined"],
]

for (const [text, message] of WRONG_FLAGS)
  test(`--add-runtime ${text} is refused`, () => {
    assert.throws(() => addRuntime({ known: { path: '/k', args: [] } }, text), { code: 'invalid-argument', message })
  })

const WRONG_FILES: [unknown, string][] = [
  [[], 'runtimes: not an object'],
  [{ x: 'y' }, 'runtime x: not an object'],
  [{ x: {} }, 'runtime x: either a runtimeType or a path must be configured'],
  [{ x: { path: 1 } }, 'runtime x: path is not a string'],
  [{ x: { path: '/x', runtimeArgs: 'a' } }, 'runtime x: runtimeArgs is not a list of strings'],
  [{ x: { path: '/x', options: {} } }, 'runtime x: options cannot be used with a path'],
  [
    { x: { path: '/x', runtimeType: 'io.containerd.runc.v2' } },
    'runtime x: cannot configure both path and runtimeType for the same runtime',
  ],
  [
    { x: { runtimeType: 'io.containerd.kata.v2' } },
    'runtime x: runtimeType io.containerd.kata.v2 is not supported, only io.containerd.runc.v2 is',
  ],
  [{ x: { runtimeType: 'io.containerd.runc.v2', options: { Root: '/r' } } }, 'runtime x: option Root is not supported'],
  [{ x: { path: '/x', colour: 1 } }, 'runtime x: unknown key colour'],
  [{ 'a/b': { path: '/x' } }, 'invalid runtime name: "a/b"'],
]

for (const [value, message] of WRONG_FILES)
  test(`runtimes ${JSON.stringify(value)} are refused`, () => {
    assert.throws(() => runtimesFromJson(value), { code: 'invalid-argument', message })
  })
