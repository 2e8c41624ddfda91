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
import { setTimesBytes } from '../linux/byte-path.ts'
import { openNativeKernel } from '../linux/native-kernel.ts'
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
  copyTree(from, to, { intoVolume: true })
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
  copyTree(from, to, { intoVolume: true })
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
  copyTree(from, to, { intoVolume: true })
  assert.equal(readFileSync(join(to, 'file'), 'utf8'), 'of a container')
  assert.deepEqual(readdirSync(join(to, 'folder')), [])
})

test('names that are no text, and times to the nanosecond, come along', (t) => {
  const { from, to } = directories(t)
  const name = Buffer.from([0x66, 0xff, 0xfe])
  const at = (directory: string) => Buffer.concat([Buffer.from(`${directory}/`), name])
  writeFileSync(at(from), 'x')
  setTimesBytes(at(from), { seconds: 1_700_000_000, nanos: 123_456_789 })
  copyTree(from, to, { intoVolume: true })
  assert.deepEqual(readdirSync(to, { encoding: 'buffer' }), [name])
  assert.equal(statSync(at(to), { bigint: true }).mtimeNs, 1_700_000_000_123_456_789n)
})

test('a second name of a file whose first is somebody else’s in the volume is a file of its own', (t) => {
  const { from, to } = directories(t)
  writeFileSync(join(from, 'one'), 'of the image')
  linkSync(join(from, 'one'), join(from, 'two'))
  for (const name of ['one', 'two']) writeFileSync(join(to, name), 'of a container')
  rmSync(join(to, 'one'))
  copyTree(from, to, { intoVolume: true })
  assert.deepEqual(
    ['one', 'two'].map((name) => readFileSync(join(to, name), 'utf8')),
    ['of the image', 'of a container'],
  )
})

test('into an empty directory nothing may be there already', (t) => {
  const { from, to } = directories(t)
  for (const directory of [from, to]) writeFileSync(join(directory, 'file'), 'x')
  assert.throws(() => copyTree(from, to), /EEXIST/)
})
