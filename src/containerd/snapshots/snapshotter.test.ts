import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { createMemorySnapshotter } from './memory-snapshotter.ts'
import { openSnapshots } from './overlay-snapshotter.ts'
import { snapshotterSuite } from './snapshotter.suite.ts'

const root = mkdtempSync(join(tmpdir(), 'snapshots-'))
const stores: MetadataStore[] = []
let count = 0
after(async () => {
  await Promise.all(stores.map((store) => store.close()))
  rmSync(root, { recursive: true, force: true })
})

async function openStore(): Promise<{ store: MetadataStore; directory: string }> {
  const directory = join(root, String(count++))
  const store = await MetadataStore.open(join(directory, 'meta'))
  stores.push(store)
  return { store, directory }
}

snapshotterSuite('overlay', async () => {
  const { store, directory } = await openStore()
  return openSnapshots({ root: directory, store })
})

snapshotterSuite('in memory', async () => createMemorySnapshotter((await openStore()).store))

test('what a crash left on disk is swept, what has a record stays', async () => {
  const { store, directory } = await openStore()
  const snapshots = openSnapshots({ root: directory, store })
  const [kept] = await snapshots.prepare('ns', 'kept', '')
  writeFileSync(join(kept!.source, 'file'), 'x')
  mkdirSync(join(directory, 'snapshots', '77', 'fs', 'deep'), { recursive: true })
  mkdirSync(join(directory, 'snapshots', 'removed-78', 'fs'), { recursive: true })
  const again = openSnapshots({ root: directory, store })
  const [fresh] = await again.prepare('ns', 'fresh', '')
  assert.equal(fresh!.source, join(directory, 'snapshots', '78', 'fs'), 'a number on disk is not given again')
  await again.cleanup()
  assert.deepEqual(readdirSync(join(directory, 'snapshots')).sort(), ['1', '78'])
  assert.ok(existsSync(join(kept!.source, 'file')))
})

test('a removed snapshot leaves nothing on disk', async () => {
  const { store, directory } = await openStore()
  const snapshots = openSnapshots({ root: directory, store })
  const [mount] = await snapshots.prepare('ns', 'a', '')
  mkdirSync(join(mount!.source, 'd'))
  writeFileSync(join(mount!.source, 'd', 'file'), 'x')
  await snapshots.remove('ns', 'a')
  assert.ok(!existsSync(mount!.source), 'it is out of sight at once')
  await snapshots.cleanup()
  assert.deepEqual(readdirSync(join(directory, 'snapshots')), [])
})

test('usage counts what the snapshot itself holds', async () => {
  const { store, directory } = await openStore()
  const snapshots = openSnapshots({ root: directory, store })
  const [mount] = await snapshots.prepare('ns', 'a', '')
  const before = await snapshots.usage('ns', 'a')
  writeFileSync(join(mount!.source, 'file'), Buffer.alloc(100_000, 1))
  const grown = await snapshots.usage('ns', 'a')
  assert.equal(grown.inodes, before.inodes + 1)
  await snapshots.commit('ns', 'one', 'a')
  await snapshots.prepare('ns', 'b', 'one')
  assert.deepEqual(await snapshots.usage('ns', 'b'), before)
  assert.equal((await snapshots.usage('ns', 'one')).inodes, grown.inodes)
})
