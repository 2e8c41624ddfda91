import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  cleanPath,
  type CopyPlace,
  followedName,
  planCopy,
  preserveEnd,
  splitArgument,
  splitEntry,
} from './copy-paths.ts'

test('an argument is a container and a path, unless it begins as a path does or has no colon', () => {
  const cases: [string, string, string][] = [
    ['c:/x', 'c', '/x'],
    ['c:x:y', 'c', 'x:y'],
    ['c:', 'c', ''],
    [':x', '', 'x'],
    ['/a:b', '', '/a:b'],
    ['./a:b', '', './a:b'],
    ['.a:b', '', '.a:b'],
    ['plain', '', 'plain'],
    ['-', '', '-'],
  ]
  for (const [argument, container, path] of cases)
    assert.deepEqual(splitArgument(argument), { container, path }, argument)
})

test('a path is split into a directory and a name; a dot at the end is a name', () => {
  const cases: [string, string, string][] = [
    ['/a/b', '/a', 'b'],
    ['/a/b/', '/a', 'b'],
    ['/a/b/.', '/a/b', '.'],
    ['/', '/', '/'],
    ['/.', '/', '.'],
    ['a', '.', 'a'],
    ['..', '.', '..'],
    ['', '.', '.'],
    ['/a/../b', '/', 'b'],
  ]
  for (const [path, directory, base] of cases) assert.deepEqual(splitEntry(path), { directory, base }, path)
})

test('cleaning keeps what says that a directory is meant', () => {
  const cases: [string, string][] = [
    ['/a//b/../c', '/a/c'],
    ['/a/', '/a/'],
    ['/a/.', '/a/.'],
    ['/', '/'],
    ['/.', '/.'],
    ['.', '.'],
  ]
  for (const [path, expected] of cases) assert.equal(preserveEnd(cleanPath(path), path), expected, path)
})

test('what a link leads to is read under its own name, and called by the link’s', () => {
  assert.deepEqual(followedName('/a/link', '/b/real'), { path: '/b/real', rebaseName: 'link' })
  assert.deepEqual(followedName('/a/link/', '/b/real'), { path: '/b/real/', rebaseName: 'link' })
  assert.deepEqual(followedName('/a/same', '/b/same'), { path: '/b/same', rebaseName: '' })
  assert.deepEqual(followedName('/a/link/.', '/b/real'), { path: '/b/real/.', rebaseName: '' })
})

const place = (path: string, kind: 'file' | 'directory' | 'nothing', rebaseName = ''): CopyPlace => ({
  ...{ path, exists: kind !== 'nothing', isDirectory: kind === 'directory', rebaseName },
})

test('a copy goes into a directory, in the place of a file, or under a new name', () => {
  const cases: [CopyPlace, CopyPlace, string, string][] = [
    [place('/s/one', 'file'), place('/t/dir', 'directory'), '/t/dir', 'one'],
    [place('/s/one', 'file'), place('/t/two', 'file'), '/t', 'two'],
    [place('/s/one', 'file'), place('/t/new', 'nothing'), '/t', 'new'],
    [place('/s/dir', 'directory'), place('/t/dir', 'directory'), '/t/dir', 'dir'],
    [place('/s/dir/.', 'directory'), place('/t/dir', 'directory'), '/t/dir', '.'],
    [place('/s/dir', 'directory'), place('/t/new', 'nothing'), '/t', 'new'],
    [place('/s/dir', 'directory'), place('/t/new/', 'nothing'), '/t', 'new'],
    [place('/s/real', 'file', 'link'), place('/t/dir', 'directory'), '/t/dir', 'link'],
  ]
  for (const [source, target, directory, name] of cases)
    assert.deepEqual(planCopy(source, target), { directory, name }, `${source.path} ${target.path}`)
})

test('a directory is not copied onto a file, nor a file into a directory that is not there', () => {
  assert.throws(() => planCopy(place('/s', 'directory'), place('/t', 'file')), /^Failure: cannot copy directory$/)
  assert.throws(() => planCopy(place('/s', 'file'), place('/t/', 'nothing')), /^Failure: no such directory$/)
  assert.throws(() => planCopy(place('/s', 'file'), place('/t/.', 'nothing')), /^Failure: no such directory$/)
})
