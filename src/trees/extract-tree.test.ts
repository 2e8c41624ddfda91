import assert from 'node:assert/strict'
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { Failure } from '../base/failure.ts'
import { NO_XATTRS, type TarEntry } from '../wire/tar/entry.ts'
import { TarParser } from '../wire/tar/tar-parser.ts'
import { type TarSource, writeTar } from '../wire/tar/write-tar.ts'
import { type ExtractOptions, TreeExtractor } from './extract-tree.ts'

const directory = mkdtempSync(join(tmpdir(), 'extract-'))
const root = join(directory, 'root')
const outside = join(directory, 'outside')
after(() => rmSync(directory, { recursive: true }))
beforeEach(() => {
  for (const path of [root, outside]) {
    rmSync(path, { recursive: true, force: true })
    mkdirSync(path)
  }
})

const PLAIN: TarEntry = {
  ...{ name: '', type: 'file', linkName: '', mode: 0o644, uid: 0, gid: 0, size: 0, mtime: { seconds: 1, nanos: 0 } },
  ...{ deviceMajor: 0, deviceMinor: 0, xattrs: NO_XATTRS },
}
const file = (name: string, text = 'x'): TarSource => ({
  entry: { ...PLAIN, name, size: text.length },
  content: [Buffer.from(text)],
})
const link = (name: string, linkName: string, type: 'symlink' | 'hardlink' = 'symlink'): TarSource => ({
  entry: { ...PLAIN, name, linkName, type },
})
const folder = (name: string): TarSource => ({ entry: { ...PLAIN, name, type: 'directory', mode: 0o755 } })

async function extract(sources: TarSource[], options: Partial<ExtractOptions> = {}) {
  const given = { directory: root, owner: 'mine', keepsKinds: false, followsLinks: false } as const
  const extractor = new TreeExtractor({ ...given, ...options })
  const parser = new TarParser(extractor)
  try {
    for await (const part of writeTar(sources)) parser.push(part)
    parser.finish()
    extractor.finish()
  } finally {
    extractor.abandon()
  }
}

test('names that lead outside, and links whose targets do, are refused', async () => {
  const cases: [TarSource[], RegExp][] = [
    [[file('../escaped')], /is outside of/],
    [[file('a/../../escaped')], /is outside of/],
    [[link('a', '../outside')], /invalid symlink/],
    [[link('a', '../outside/secret', 'hardlink')], /invalid hardlink/],
  ]
  writeFileSync(join(outside, 'secret'), 'secret')
  for (const [sources, message] of cases) await assert.rejects(extract(sources), message)
  assert.deepEqual(
    [readdirSync(root), readdirSync(outside), existsSync(join(directory, 'escaped'))],
    [[], ['secret'], false],
  )
})

test('an absolute name is one below the directory', async () => {
  await extract([file('/etc/passwd')])
  assert.equal(readFileSync(join(root, 'etc/passwd'), 'utf8'), 'x')
})

test('nothing is written through a link of the same archive, by whichever of its names', async () => {
  const cases: TarSource[][] = [
    [link('a', outside), file('a/planted')],
    [link('a', outside), link('b', 'a', 'hardlink'), file('b/planted')],
    [link('a', outside), link('b', 'a', 'hardlink'), link('c', 'b', 'hardlink'), file('c/planted')],
    [folder('d'), link('d/a', outside), link('b', 'd/a', 'hardlink'), file('b/deep/planted')],
    [link('a', outside), link('b', 'a', 'hardlink'), link('planted', 'b/planted', 'hardlink')],
    [link('a', outside), link('b', 'a', 'hardlink'), file('a'), folder('b/sub')],
  ]
  for (const [index, sources] of cases.entries()) {
    rmSync(root, { recursive: true })
    mkdirSync(root)
    await assert.rejects(extract(sources), /lies behind the symlink/, `case ${index}`)
    assert.deepEqual(readdirSync(outside), [], `case ${index}`)
  }
})

test('a link of the archive that something replaces is no link any more', async () => {
  await extract([link('a', outside), folder('a'), file('a/inner', 'mine')])
  assert.equal(readFileSync(join(root, 'a/inner'), 'utf8'), 'mine')
})

test('links that were there before, and those of an archive that may have them, are followed', async () => {
  symlinkSync(outside, join(root, 'mine'))
  await extract([link('other', outside), file('mine/one')])
  await extract([link('theirs', outside), file('theirs/two')], { followsLinks: true })
  assert.deepEqual(readdirSync(outside), ['one', 'two'])
})

test('a file whose owner has no place in the map leaves what was there, and nothing of its own', async () => {
  writeFileSync(join(root, 'old'), 'kept')
  const owners = {
    told: () => assert.fail('nothing is packed'),
    given: () => {
      throw new Failure('unknown', 'container ID 0 cannot be mapped to a host ID')
    },
  }
  for (const source of [file('old', 'new'), file('new'), folder('made'), link('link', 'old'), file('parent/new')])
    await assert.rejects(extract([source], { owner: 'archived', owners }), /cannot be mapped/)
  assert.deepEqual(readdirSync(root), ['old'])
  assert.equal(readFileSync(join(root, 'old'), 'utf8'), 'kept')
})

test('what was there is replaced, not written into; kinds are kept where that is asked for', async () => {
  writeFileSync(join(outside, 'kept'), 'kept')
  linkSync(join(outside, 'kept'), join(root, 'one'))
  symlinkSync(join(outside, 'kept'), join(root, 'two'))
  await extract([file('one', 'new'), file('two', 'new')])
  assert.deepEqual(
    [readFileSync(join(outside, 'kept'), 'utf8'), readFileSync(join(root, 'two'), 'utf8')],
    ['kept', 'new'],
  )
  mkdirSync(join(root, 'folder'))
  await assert.rejects(
    extract([file('folder')], { keepsKinds: true }),
    /cannot overwrite directory .*folder.* with non-directory/,
  )
  await assert.rejects(
    extract([folder('one')], { keepsKinds: true }),
    /cannot overwrite non-directory .*one.* with directory/,
  )
})
