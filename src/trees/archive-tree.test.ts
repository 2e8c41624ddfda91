import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { TarParser } from '../wire/tar/tar-parser.ts'
import { archiveTree, entryIfReadable } from './archive-tree.ts'
import { factsOf } from './file-facts.ts'
import { removeTree } from './remove-tree.ts'

const directory = mkdtempSync(join(tmpdir(), 'archive-'))
after(() => removeTree(directory))

/** Names and contents; `meanwhile` comes after each piece. */
function read(path: string, meanwhile: (piece: number) => void = () => {}): Record<string, string> {
  const found: Record<string, string> = {}
  let name = ''
  const parser = new TarParser({
    entry: (entry) => {
      name = entry.name
      found[name] = entry.linkName
    },
    data: (bytes) => (found[name] += bytes.toString()),
    end: () => {},
  })
  let pieces = 0
  for (const piece of archiveTree({ path, name: 'it', hasRoot: true })) {
    parser.push(piece)
    meanwhile(pieces++)
  }
  parser.finish()
  return found
}

test('what goes away while the tree is read is left out, and what is cut short is filled up', () => {
  const tree = join(directory, 'changing')
  mkdirSync(join(tree, 'folder'), { recursive: true })
  for (const name of ['a', 'b', 'folder/c']) writeFileSync(join(tree, name), 'content')
  symlinkSync('b', join(tree, 'link'))
  const found = read(tree, (piece) => {
    if (piece === 0) rmSync(join(tree, 'b'))
    if (piece === 1) writeFileSync(join(tree, 'a'), 'cut')
    if (piece === 1) rmSync(join(tree, 'folder'), { recursive: true })
  })
  assert.deepEqual(found, { 'it/': '', 'it/a': 'cut\0\0\0\0', 'it/link': 'b' })
})

test('a file that goes, or turns into another, between being seen and being described is left out', () => {
  const [link, file] = [join(directory, 'link'), join(directory, 'file')]
  symlinkSync('target', link)
  writeFileSync(file, 'x')
  const [linkFacts, fileFacts] = [factsOf('', link), factsOf('', file)]
  rmSync(link)
  rmSync(file)
  assert.ok(linkFacts !== undefined && fileFacts !== undefined)
  assert.deepEqual([entryIfReadable('l', linkFacts), entryIfReadable('f', fileFacts)], [undefined, undefined])
  writeFileSync(link, 'no link any more')
  assert.equal(entryIfReadable('l', linkFacts), undefined)
})

test('directories deeper than any path can say are left out', () => {
  const tree = join(directory, 'deep')
  mkdirSync(tree)
  writeFileSync(join(tree, 'z'), 'last')
  const before = process.cwd()
  try {
    process.chdir(tree)
    for (let depth = 0; depth < 20; depth++) {
      mkdirSync('d'.repeat(250))
      process.chdir('d'.repeat(250))
    }
    const found = read(tree)
    assert.equal(found['it/z'], 'last')
    assert.ok(Object.keys(found).length > 10)
  } finally {
    process.chdir(before)
  }
})
