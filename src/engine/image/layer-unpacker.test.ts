import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../../base/failure.ts'
import type { Digest } from '../../oci/digest.ts'
import type { ContainerdClient } from '../../containerd/client/client.ts'
import { digestOf } from '../../oci/digest.ts'
import { chainIds, type ImageConfig } from '../../oci/parse-image-config.ts'
import { LayerUnpacker } from './layer-unpacker.ts'

const LAYERS = ['a', 'b', 'c'].map((name) => ({ mediaType: 'layer', digest: digestOf(name), size: 1 }))
const DIFF_IDS = LAYERS.map(({ digest }) => digestOf(`diff of ${digest}`))
const CHAIN = chainIds(DIFF_IDS)
const CONFIG = { rootfs: { type: 'layers', diff_ids: DIFF_IDS } } as unknown as ImageConfig

/** A snapshotter in memory, and a diff service whose answer for one digest can be spoiled. */
class FakeContainerd {
  readonly active = new Map<string, string>()
  readonly committed = new Map<string, string>()
  readonly applied: string[] = []
  spoiled = ''

  get client(): ContainerdClient {
    const { active, committed, applied } = this
    return {
      snapshots: {
        stat: async ({ key }: { key: string }) => {
          if (!committed.has(key)) throw new Failure('not-found', key)
        },
        prepare: async ({ key, parent }: { key: string; parent: string }) => {
          active.set(key, parent)
          return { mounts: [] }
        },
        commit: async ({ key, name, parent }: { key: string; name: string; parent: string }) => {
          if (parent !== '' && !committed.has(parent)) throw new Failure('not-found', `parent ${parent}`)
          if (committed.has(name)) throw new Failure('already-exists', name)
          committed.set(name, parent)
          active.delete(key)
        },
        remove: async ({ key }: { key: string }) => {
          active.delete(key)
        },
      },
      diff: {
        apply: async ({ diff }: { diff: { digest: string } }) => {
          applied.push(diff.digest)
          const digest = diff.digest === this.spoiled ? digestOf('other') : digestOf(`diff of ${diff.digest}`)
          return { applied: { digest } }
        },
      },
    } as unknown as ContainerdClient
  }
}

function unpackerOf(fake: FakeContainerd, isParallel = true, hold: (chainId: Digest) => void = () => {}) {
  const told: string[] = []
  const unpacker = new LayerUnpacker({
    client: fake.client,
    isParallel,
    signal: new AbortController().signal,
    hold: async (chainId) => hold(chainId),
    progress: {
      extracting() {},
      unpacked: () => told.push('unpacked'),
      alreadyThere: () => told.push('already there'),
    },
  })
  return { unpacker, told }
}

for (const isParallel of [true, false]) {
  test(`layers that are stored in any order are stacked in theirs, ${isParallel ? 'side by side' : 'one after the other'}`, async () => {
    const fake = new FakeContainerd()
    const { unpacker, told } = unpackerOf(fake, isParallel)
    for (const index of [2, 0, 1]) unpacker.layerStored(LAYERS[index]!, index)
    await unpacker.finish(LAYERS, CONFIG)
    assert.deepEqual(
      [...fake.committed],
      [
        [CHAIN[0], ''],
        [CHAIN[1], CHAIN[0]],
        [CHAIN[2], CHAIN[1]],
      ],
    )
    assert.deepEqual(told, ['unpacked', 'unpacked', 'unpacked'])
    assert.equal(fake.active.size, 0)
  })
}

test('what is there already is not unpacked again', async () => {
  const fake = new FakeContainerd()
  fake.committed.set(CHAIN[0]!, '').set(CHAIN[1]!, CHAIN[0]!)
  const { unpacker, told } = unpackerOf(fake)
  await unpacker.finish(LAYERS, CONFIG)
  assert.deepEqual(fake.applied, [LAYERS[2]!.digest])
  assert.deepEqual(told, ['already there', 'already there', 'unpacked'])
})

test('what is collected before it can be held is unpacked again', async () => {
  const fake = new FakeContainerd()
  fake.committed.set(CHAIN[0]!, '').set(CHAIN[1]!, CHAIN[0]!)
  const { unpacker, told } = unpackerOf(fake, true, (chainId) => {
    if (chainId === CHAIN[1]) fake.committed.delete(chainId)
  })
  await unpacker.finish(LAYERS, CONFIG)
  assert.deepEqual(fake.applied.toSorted(), [LAYERS[1]!.digest, LAYERS[2]!.digest].toSorted())
  assert.deepEqual(told.toSorted(), ['already there', 'unpacked', 'unpacked'])
})

test('a layer that is not what the configuration says fails the stack, and nothing stays', async () => {
  const fake = new FakeContainerd()
  fake.spoiled = LAYERS[1]!.digest
  const { unpacker } = unpackerOf(fake)
  await assert.rejects(unpacker.finish(LAYERS, CONFIG), /wrong diff id/)
  await unpacker[Symbol.asyncDispose]()
  assert.equal(fake.active.size, 0)
  assert.deepEqual([...fake.committed.keys()], [CHAIN[0]])
})

test('a pull that ends early leaves nothing that waits', async () => {
  const fake = new FakeContainerd()
  const { unpacker } = unpackerOf(fake)
  unpacker.layerStored(LAYERS[1]!, 1)
  unpacker.learnConfig(CONFIG)
  await unpacker[Symbol.asyncDispose]()
  assert.equal(fake.active.size, 0)
  assert.equal(fake.committed.size, 0)
})
