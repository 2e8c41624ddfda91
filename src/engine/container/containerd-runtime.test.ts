import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Options } from '../../wire/shim-v2/messages.ts'
import type { Engine } from '../engine.ts'
import { containerdRuntime } from './containerd-runtime.ts'

const runtimes = {
  crun: { path: '/usr/bin/crun', args: [] },
  kata: { path: '', args: [], shim: { type: 'io.containerd.kata.v2', options: { ConfigPath: '/k.toml' } } },
  strict: { path: '', args: [], shim: { type: 'io.containerd.runc.v2', options: { Root: '/r', NoPivotRoot: true } } },
}

function runtime(isOwn: boolean, name: string) {
  const engine = { config: { execRoot: '/x', runtimes }, peer: { version: '', isOwn } } as unknown as Engine
  const { name: shim, options } = containerdRuntime(engine, name)
  if (options?.typeUrl !== 'containerd.runc.v1.Options') return { shim, type: options?.typeUrl }
  const { binaryName, root, noPivotRoot } = Options.decode(options.value)
  return { shim, binaryName, root, noPivotRoot }
}

const RUNC = { shim: 'io.containerd.runc.v2', noPivotRoot: false }

test('our containerd is told nothing where its own runtime is meant', () => {
  for (const name of ['', 'runc', 'berth-runc', 'io.containerd.runc.v2'])
    assert.deepEqual(runtime(true, name), { shim: 'io.containerd.runc.v2', type: undefined })
  assert.deepEqual(runtime(true, 'crun'), { ...RUNC, binaryName: '/usr/bin/crun', root: '' })
})

test('another containerd’s runtimes have their state below the engine’s directory', () => {
  assert.deepEqual(runtime(false, ''), { ...RUNC, binaryName: '', root: '/x/runtime-runc' })
  assert.deepEqual(runtime(false, 'berth-runc'), { ...RUNC, binaryName: 'berth-runc', root: '/x/runtime-berth-runc' })
  assert.deepEqual(runtime(false, 'crun'), { ...RUNC, binaryName: '/usr/bin/crun', root: '/x/runtime-crun' })
})

test('other shims, named by a setting or by themselves', () => {
  assert.deepEqual(runtime(false, 'kata'), { shim: 'io.containerd.kata.v2', type: 'runtimeoptions.v1.Options' })
  assert.deepEqual(runtime(true, 'io.containerd.runsc.v1'), { shim: 'io.containerd.runsc.v1', type: undefined })
  assert.deepEqual(runtime(false, 'strict'), { ...RUNC, noPivotRoot: true, binaryName: '', root: '/r' })
  assert.throws(() => runtime(false, 'forgotten'), { message: 'unknown or invalid runtime name: forgotten' })
})
