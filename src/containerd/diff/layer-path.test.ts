import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layerPath, parseWhiteout } from './layer-path.ts'

test('names are cleaned as text', () => {
  const cases: [name: string, path: string][] = [
    ['etc/passwd', '/etc/passwd'],
    ['./etc/passwd', '/etc/passwd'],
    ['/etc//passwd/', '/etc/passwd'],
    ['../../etc/passwd', '/etc/passwd'],
    ['a/../../b', '/b'],
    ['a/./b/..', '/a'],
    ['./', '/'],
    ['', '/'],
    ['..', '/'],
    ['..a/...', '/..a/...'],
  ]
  for (const [name, path] of cases) assert.equal(layerPath(name), path, name)
})

test('whiteouts are told from ordinary names', () => {
  assert.equal(parseWhiteout('/a/b'), undefined)
  assert.equal(parseWhiteout('/a/.whatever'), undefined)
  assert.equal(parseWhiteout('/.wh.dir/file'), undefined)
  assert.deepEqual(parseWhiteout('/.wh.a'), { kind: 'hide', path: '/a' })
  assert.deepEqual(parseWhiteout('/x/.wh.a'), { kind: 'hide', path: '/x/a' })
  assert.deepEqual(parseWhiteout('/x/.wh..wh..opq'), { kind: 'opaque', directory: '/x' })
  assert.deepEqual(parseWhiteout('/.wh..wh.plnk'), { kind: 'ignore' })
  for (const name of ['/a/.wh.', '/a/.wh..', '/a/.wh...'])
    assert.throws(() => parseWhiteout(name), /invalid whiteout name/)
})
