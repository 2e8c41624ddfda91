import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addRuntime, isShimName, runtimesFromJson } from './runtime-setting.ts'

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

test('other shims, and options of theirs and of runc’s', () => {
  const given = {
    sandbox: { runtimeType: 'io.containerd.runsc.v1', options: { TypeUrl: 'x', ConfigPath: '/c.toml' } },
    own: { runtimeType: 'io.containerd.runc.v2', options: { BinaryName: '/b', Root: '/r', NoPivotRoot: true } },
  }
  assert.deepEqual(runtimesFromJson(given), {
    sandbox: {
      path: '',
      args: [],
      shim: { type: 'io.containerd.runsc.v1', options: { TypeUrl: 'x', ConfigPath: '/c.toml' } },
    },
    own: {
      path: '/b',
      args: [],
      shim: { type: 'io.containerd.runc.v2', options: { BinaryName: '/b', Root: '/r', NoPivotRoot: true } },
    },
  })
  assert.deepEqual(['io.containerd.runsc.v1', 'a.b', 'runc', '.a.b', '/bin/a.b', 'a/b.c', 'a.'].map(isShimName), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ])
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
  [{ x: { runtimeType: '/bin/shim.v1' } }, 'runtime x: invalid runtimeType: "/bin/shim.v1"'],
  [
    { x: { runtimeType: 'io.containerd.kata.v2', options: { BinaryName: '/r' } } },
    'runtime x: option BinaryName is not supported',
  ],
  [
    { x: { runtimeType: 'io.containerd.runc.v2', options: { constructor: '/r' } } },
    'runtime x: option constructor is not supported',
  ],
  [{ x: { runtimeType: 'io.containerd.runc.v2', options: { Root: 1 } } }, 'runtime x: Root is not a string'],
  [{ x: { path: '/x', colour: 1 } }, 'runtime x: unknown key colour'],
  [{ 'a/b': { path: '/x' } }, 'invalid runtime name: "a/b"'],
]

for (const [value, message] of WRONG_FILES)
  test(`runtimes ${JSON.stringify(value)} are refused`, () => {
    assert.throws(() => runtimesFromJson(value), { code: 'invalid-argument', message })
  })
