import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { resolveShim } from './resolve-shim.ts'

const directory = mkdtempSync(join(tmpdir(), 'resolve-shim-'))
const onPath = join(directory, 'path')
const beside = join(directory, 'beside')
const before = process.env['PATH']
for (const folder of [onPath, beside]) mkdirSync(folder)
for (const path of [
  join(onPath, 'containerd-shim-one-v2'),
  join(beside, 'containerd-shim-one-v2'),
  join(beside, 'containerd-shim-two-v1'),
])
  writeFileSync(path, '', { mode: 0o755 })
writeFileSync(join(onPath, 'containerd-shim-plain-v2'), '', { mode: 0o644 })
process.env['PATH'] = `.:${onPath}`

after(() => {
  process.env['PATH'] = before
  rmSync(directory, { recursive: true })
})

const resolve = (name: string) => resolveShim(name, join(beside, 'berth-containerd'))

test('the last two parts of a name are the program’s', () => {
  assert.equal(resolve('io.containerd.one.v2'), join(onPath, 'containerd-shim-one-v2'))
  assert.equal(resolve('com.example.deep.two.v1'), join(beside, 'containerd-shim-two-v1'))
  assert.equal(resolve('one.v2'), join(onPath, 'containerd-shim-one-v2'))
})

test('an absolute path is a program itself', () => {
  const path = join(beside, 'containerd-shim-two-v1')
  assert.equal(resolve(path), path)
})

test('what cannot be found is told in containerd’s words', () => {
  const frame = 'failed to start shim: failed to resolve runtime path: '
  const invalid = (name: string) =>
    `${frame}invalid runtime name ${name}, correct runtime name should be either format like \`io.containerd.runc.v2\` or a full path to the binary`
  const cases = {
    '': `${frame}no runtime name`,
    'io.no.such.v2': `${frame}runtime "io.no.such.v2" binary not installed "containerd-shim-such-v2": file does not exist`,
    'io.containerd.plain.v2': `${frame}runtime "io.containerd.plain.v2" binary not installed "containerd-shim-plain-v2": file does not exist`,
    '/no/such/shim': `${frame}invalid custom binary path: stat /no/such/shim: no such file or directory`,
    'bin/containerd-shim-one-v2': invalid('bin/containerd-shim-one-v2'),
    '../one.v2': invalid('../one.v2'),
    runc: invalid('runc'),
    '.one.v2': invalid('.one.v2'),
  }
  for (const [name, message] of Object.entries(cases))
    assert.throws(() => resolve(name), { code: 'unknown', message }, name)
})
