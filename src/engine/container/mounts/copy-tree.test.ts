import assert from 'node:assert/strict'
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { openNativeKernel } from '../../../linux/native-kernel.ts'
import { copyTree } from './copy-tree.ts'

const kernel = openNativeKernel()

function directories(t: TestContext): { base: string; from: string; to: string } {
  const base = mkdtempSync(join(tmpdir(), 'copy-'))
  t.after(() => rmSync(base, { recursive: true }))
  const [from, to] = [join(base, 'from'), join(base, 'to')]
  mkdirSync(from)
  mkdirSync(to)
  return { base, from, to }
}

test('a tree is copied with its links and modes', (t) => {
  const { base, from, to } = directories(t)
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/b/file'), 'content', { mode: 0o640 })
  symlinkSync('/etc/passwd', join(from, 'a/link'))
  copyTree(kernel, from, to)
  assert.equal(readFileSync(join(to, 'a/b/file'), 'utf8'), 'content')
  assert.equal(statSync(join(to, 'a/b/file')).mode & 0o777, 0o640)
  assert.deepEqual(readdirSync(join(to, 'a')), ['b', 'link'])
  assert.deepEqual(readdirSync(base), ['from', 'to'])
})

test('files with several names stay one file, and attributes come along', (t) => {
  const { from, to } = directories(t)
  writeFileSync(join(from, 'one'), 'x')
  linkSync(join(from, 'one'), join(from, 'two'))
  kernel.lsetxattr(join(from, 'one'), 'user.note', Buffer.from('kept'))
  copyTree(kernel, from, to)
  assert.equal(statSync(join(to, 'one')).ino, statSync(join(to, 'two')).ino)
  assert.equal(Buffer.from(kernel.lgetxattr(join(to, 'two'), 'user.note') ?? []).toString(), 'kept')
})

test('what is there already stays', (t) => {
  const { from, to } = directories(t)
  writeFileSync(join(from, 'file'), 'of the image')
  mkdirSync(join(from, 'folder'))
  writeFileSync(join(from, 'folder/file'), 'of the image')
  writeFileSync(join(to, 'file'), 'of a container')
  mkdirSync(join(to, 'folder'))
  copyTree(kernel, from, to)
  assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'of a container')
  assert.deepEqual(readdirSync(join(to, 'folder')), [])
})
