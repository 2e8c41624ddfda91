import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../oci/digest.ts'
import type { Image } from './image-store.ts'
import { findNamed } from './save.ts'

function image(seed: string, ...recordNames: string[]): Image {
  const descriptor = (what: string) => ({ mediaType: '', digest: digestOf(what + seed), size: 1 })
  return {
    id: digestOf(seed),
    config: { architecture: '', os: '', config: {}, rootfs: { type: 'layers', diff_ids: [] }, history: [] },
    chainId: undefined,
    chainIds: [],
    target: descriptor('target'),
    manifest: descriptor('manifest'),
    configDescriptor: descriptor('config'),
    layers: [],
    recordNames,
    contents: new Map(),
    repoTags: [],
    repoDigests: [],
    taggedAtMs: 0,
  }
}

const ONE = image('one', 'docker.io/library/app:1', 'docker.io/library/app:latest', 'example.com/app:1')
const TWO = image('two', 'docker.io/library/app:2')
const BARE = image('bare', `moby-dangling@${digestOf('targetbare')}`)
const found = (...names: string[]) =>
  findNamed([ONE, TWO, BARE], names).map(({ image: { id }, name }) => [
    id === ONE.id ? 'one' : id === TWO.id ? 'two' : 'bare',
    name,
  ])

test('a name without a tag is saved with all its tags', () => {
  assert.deepEqual(found('app'), [
    ['one', 'docker.io/library/app:1'],
    ['two', 'docker.io/library/app:2'],
    ['one', 'docker.io/library/app:latest'],
  ])
})

test('a name with a tag is saved under that name alone, an id without any, and each of them once', () => {
  assert.deepEqual(found('app:2', 'docker.io/library/app:2', 'example.com/app:1'), [
    ['two', 'docker.io/library/app:2'],
    ['one', 'example.com/app:1'],
  ])
  const id = ONE.id.slice('sha256:'.length)
  for (const name of [ONE.id, id, id.slice(0, 12), `sha256:${id.slice(0, 12)}`])
    assert.deepEqual(found(name), [['one', undefined]], name)
  assert.deepEqual(found(BARE.id), [['bare', undefined]])
  assert.deepEqual(found(`app@${TWO.target.digest}`), [['two', undefined]])
})

test('what is not there is told in Docker’s words', () => {
  const unknown = digestOf('unknown')
  const cases: [name: string, message: string][] = [
    ['nope', 'No such image: nope'],
    ['nope:1', 'reference does not exist'],
    ['app:3', 'reference does not exist'],
    [unknown, `No such image: ${unknown}`],
    ['sha256:0123456789ab', 'No such image: sha256:0123456789ab'],
  ]
  for (const [name, message] of cases) assert.throws(() => found(name), { code: 'not-found', message }, name)
  assert.throws(() => found('A B'), { code: 'invalid-argument', message: /invalid reference format/ })
})
