import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { holdImage } from './hold-image.ts'
import type { ImageContent } from './image-store.ts'

const part = (name: string) => ({ mediaType: 'text/plain', digest: digestOf(Buffer.from(name)), size: name.length })

function packedAs(name: string): ImageContent {
  return {
    id: part('config').digest,
    config: {} as ImageContent['config'],
    chainId: undefined,
    chainIds: [],
    target: part(`manifest of ${name}`),
    manifest: part(`manifest of ${name}`),
    configDescriptor: part('config'),
    layers: [part(name)],
  }
}

test('what has been packed otherwise in the meantime is held as it is now', async () => {
  const held: Digest[] = []
  const lease = { holdContent: async (digest: Digest) => void held.push(digest) }
  const [plain, gzip] = [packedAs('plain'), packedAs('gzip')]
  const answers = [plain, gzip, gzip]
  assert.equal(await holdImage(lease, async () => answers.shift()!), gzip)
  assert.deepEqual(answers, [])
  for (const { digest } of [gzip.target, gzip.configDescriptor, ...gzip.layers]) assert.ok(held.includes(digest))
})

test('one that has gone is told of', async () => {
  const lease = { holdContent: async () => {} }
  const answers = [packedAs('plain')]
  const current = async () => {
    const image = answers.shift()
    if (image === undefined) throw new Error('No such image')
    return image
  }
  await assert.rejects(holdImage(lease, current), /No such image/)
})
