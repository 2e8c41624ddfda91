import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { lsetxattrBytes } from '../linux/byte-path.ts'
import { listChanges } from './list-changes.ts'
import { NeedsMount } from './overlay-marks.ts'

const directory = mkdtempSync(join(tmpdir(), 'changes-'))
after(() => rmSync(directory, { recursive: true }))
let made = 0

/** A tree of files by path; a path that ends in a slash is a directory. All have the same time. */
function tree(files: Record<string, string>): string {
  const root = join(directory, String(made++))
  mkdirSync(root)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path.endsWith('/') ? path : dirname(path)), { recursive: true })
    if (!path.endsWith('/')) writeFileSync(join(root, path), text)
  }
  for (const path of Object.keys(files)) utimesSync(join(root, path), 1000, 1000)
  return root
}

const MARKS = ['C', 'A', 'D']

/** As `docker diff` prints them. */
function changes(lower: string, upper: string, overlayPrefix?: string): string[] {
  return listChanges({ lower, upper, overlayPrefix }).map(({ path, kind }) => `${MARKS[kind]} ${path}`)
}

test('of two whole trees: what is new, gone, of another size, mode or time, and the directories that hold it', () => {
  const lower = tree({
    'etc/same': 'x',
    'etc/size': 'x',
    'etc/mode': 'x',
    'etc/time': 'x',
    'gone/deep/file': 'x',
    'still/': '',
  })
  const upper = tree({
    'etc/same': 'y',
    'etc/size': 'xx',
    'etc/mode': 'x',
    'etc/time': 'x',
    'new/deep/file': 'x',
    'still/': '',
  })
  chmodSync(join(upper, 'etc/mode'), 0o600)
  utimesSync(join(upper, 'etc/time'), 1001, 1001)
  assert.deepEqual(changes(lower, upper), [
    ...['C /etc', 'C /etc/mode', 'C /etc/size', 'C /etc/time', 'D /gone'],
    ...['A /new', 'A /new/deep', 'A /new/deep/file'],
  ])
})

test('of two whole trees: a directory that became a file, and the other way round', () => {
  const lower = tree({ 'a/inner': 'x', b: 'x' })
  const upper = tree({ a: 'x', 'b/inner': 'x' })
  assert.deepEqual(changes(lower, upper), ['C /a', 'C /b', 'A /b/inner'])
})

test('of two whole trees: an attribute or a device that means something to overlayfs alone means nothing', () => {
  const lower = tree({ 'dir/below': 'x' })
  const upper = tree({ 'dir/above': 'x' })
  lsetxattrBytes(Buffer.from(join(upper, 'dir')), 'user.overlay.opaque', Buffer.from('y'))
  assert.deepEqual(changes(lower, upper), ['C /dir', 'A /dir/above', 'D /dir/below'])
})

test('of an upper directory: what is not in it has not changed, an opaque directory hides what is below', () => {
  const lower = tree({ 'kept/file': 'x', 'dir/below': 'x', 'dir/both': 'x' })
  const upper = tree({ 'dir/both': 'x', 'dir/above': 'x' })
  assert.deepEqual(changes(lower, upper, 'user.overlay.'), ['C /dir', 'A /dir/above'])
  lsetxattrBytes(Buffer.from(join(upper, 'dir')), 'user.overlay.opaque', Buffer.from('y'))
  assert.deepEqual(changes(lower, upper, 'user.overlay.'), ['C /dir', 'A /dir/above', 'D /dir/below'])
})

test('of an upper directory: a renamed directory can only be told by a mount', () => {
  const upper = tree({ 'dir/': '' })
  lsetxattrBytes(Buffer.from(join(upper, 'dir')), 'user.overlay.redirect', Buffer.from('old'))
  assert.throws(() => changes(tree({ 'old/': '' }), upper, 'user.overlay.'), NeedsMount)
})

test('links are compared, never followed', () => {
  const [lower, upper] = [tree({ 'dir/file': 'x' }), tree({})]
  symlinkSync(join(lower, 'dir'), join(upper, 'dir'))
  assert.deepEqual(changes(lower, upper), ['C /dir'])
})
