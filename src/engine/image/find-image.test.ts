import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../oci/digest.ts'
import { findImage, noSuchImage } from './find-image.ts'
import { danglingName, repoDigestsOf, repoTagsOf } from './image-names.ts'
import type { Image } from './image-store.ts'
import { imageContent } from './read-image.ts'

/** An image of one layer whose digests all follow from `seed`. */
function image(seed: string, recordNames: string[]): Image {
  const descriptor = (what: string) => ({ mediaType: what, digest: digestOf(`${seed} ${what}`), size: 1 })
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers' as const, diff_ids: [digestOf(`${seed} diff`)] },
    history: [],
  }
  const content = imageContent({
    target: descriptor('index'),
    descriptor: descriptor('manifest'),
    manifest: { config: descriptor('config'), layers: [descriptor('layer')] },
    config,
  })
  const repoTags = repoTagsOf(recordNames)
  return {
    ...content,
    recordNames,
    contents: new Map(),
    repoTags,
    repoDigests: repoDigestsOf(recordNames, content.target.digest),
    taggedAtMs: 0,
  }
}

const busybox = image('a', ['docker.io/library/busybox:latest', 'docker.io/library/busybox:1', 'r.io:5000/x/busybox:1'])
const pinned = image('b', [`docker.io/library/pinned@${digestOf('b index')}`])
const nameless = image('c', [danglingName(digestOf('c index'))])
const images = [busybox, pinned, nameless]

test('names, digests and prefixes of ids find the image', () => {
  const hex = busybox.id.slice(7)
  const table: [name: string, found: Image | undefined][] = [
    ['busybox', busybox],
    ['busybox:1', busybox],
    ['docker.io/library/busybox:latest', busybox],
    ['r.io:5000/x/busybox:1', busybox],
    ['r.io:5000/x/busybox', undefined],
    ['busybox:2', undefined],
    [busybox.id, busybox],
    [hex, busybox],
    [hex.slice(0, 12), busybox],
    [`sha256:${hex.slice(0, 5)}`, busybox],
    [busybox.target.digest, busybox],
    [busybox.manifest.digest, busybox],
    [`busybox@${busybox.target.digest}`, busybox],
    [`busybox:ignored@${busybox.target.digest}`, busybox],
    [`other@${busybox.target.digest}`, undefined],
    [`pinned@${pinned.target.digest}`, pinned],
    ['pinned', undefined],
    [nameless.id.slice(7, 19), nameless],
  ]
  for (const [name, found] of table) assert.equal(findImage(images, name), found, name)
})

test('a prefix that several ids have finds none', () => {
  assert.equal(findImage([busybox, { ...pinned, id: busybox.id }], busybox.id.slice(7, 12)), undefined)
})

test('what can’t be a name is invalid, what is not there is not found', () => {
  assert.throws(() => findImage(images, 'A b'), { code: 'invalid-argument' })
  assert.equal(noSuchImage('nope').message, 'No such image: nope:latest')
  assert.equal(noSuchImage('docker.io/library/nope:1').message, 'No such image: nope:1')
  assert.equal(noSuchImage('sha256:00').message, 'No such image: sha256:00')
})

test('tags and digests are shown in the familiar form', () => {
  assert.deepEqual(busybox.repoTags, ['busybox:1', 'busybox:latest', 'r.io:5000/x/busybox:1'])
  assert.deepEqual(busybox.repoDigests, [
    `busybox@${digestOf('a index')}`,
    `r.io:5000/x/busybox@${digestOf('a index')}`,
  ])
  assert.deepEqual([pinned.repoTags, pinned.repoDigests.length], [[], 1])
  assert.deepEqual([nameless.repoTags, nameless.repoDigests], [[], []])
})

test('a configuration that tells of other layers than the manifest is refused', () => {
  const { target, manifest, configDescriptor, config } = busybox
  assert.throws(
    () => imageContent({ target, descriptor: manifest, manifest: { config: configDescriptor, layers: [] }, config }),
    /0 layers in the manifest, 1 in the configuration/,
  )
})
