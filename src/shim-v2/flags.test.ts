import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFlags } from './flags.ts'
import { CreateOptions, Options } from '../wire/shim-v2/messages.ts'
import { parseRuntimeOptions } from '../containerd/tasks/runtime-options.ts'

test('containerd’s command lines: one dash or two, values beside or behind, the action at the end', () => {
  const start = ['-namespace', 'moby', '--address=/c.sock', '-publish-binary', '', '-id', 'c1', '-debug', 'start', '-x']
  const flags = parseFlags(start)
  assert.deepEqual(
    [flags.namespace, flags.address, flags.publishBinary, flags.id, flags.debug, flags.action],
    ['moby', '/c.sock', '', 'c1', true, 'start'],
  )
  assert.equal(parseFlags(['-debug=false', '-id=a=b']).debug, false)
  assert.equal(parseFlags(['-id=a=b']).id, 'a=b')
  assert.equal(parseFlags(['--', 'delete']).action, 'delete')
  assert.equal(parseFlags(['-v']).version && parseFlags(['--version']).version, true)
})

const WRONG: [string[], string][] = [
  [['-nope'], 'flag provided but not defined: -nope'],
  [['-id'], 'flag needs an argument: -id'],
  [['---id'], 'bad flag syntax: ---id'],
  [['-=x'], 'bad flag syntax: -=x'],
  [['-debug=maybe'], 'invalid boolean value "maybe" for -debug: parse error'],
]

for (const [argv, message] of WRONG)
  test(`${argv.join(' ')} is refused`, () => {
    assert.throws(() => parseFlags(argv), { code: 'invalid-argument', message })
  })

test('options of the runtime, new and old, and none', () => {
  const value = Options.encode({ binaryName: 'crun', noPivotRoot: true })
  assert.equal(parseRuntimeOptions({ typeUrl: 'containerd.runc.v1.Options', value }).binaryName, 'crun')
  assert.equal(
    parseRuntimeOptions({ typeUrl: 'type.googleapis.com/containerd.runc.v1.Options', value }).noPivotRoot,
    true,
  )
  const legacy = CreateOptions.encode({ noNewKeyring: true, shimCgroup: '/a' })
  const read = parseRuntimeOptions({ typeUrl: 'containerd.linux.runc.CreateOptions', value: legacy })
  assert.deepEqual([read.noNewKeyring, read.shimCgroup, read.binaryName], [true, '/a', ''])
  assert.equal(parseRuntimeOptions(undefined).root, '')
  assert.throws(() => parseRuntimeOptions({ typeUrl: 'other.Options', value }), { code: 'invalid-argument' })
  assert.throws(() => parseRuntimeOptions({ typeUrl: 'containerd.runc.v1.Options', value: Buffer.from('ff', 'hex') }), {
    code: 'invalid-argument',
  })
})
