import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { MetadataStore } from '../metadata/metadata-store.ts'
import { copyTree } from '../../trees/copy-tree.ts'
import { createMemorySnapshotter } from './memory-snapshotter.ts'
import { NativeSnapshotter } from './native-snapshotter.ts'
import { openSnapshots, overlayCapabilities } from './overlay-snapshotter.ts'
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

const overlay = { layered: true }
const native = { layered: false }

/** Copies on this thread: what a thread of its own adds is in the integration tests. */
function openNative({ store, directory }: { store: MetadataStore; directory: string }): NativeSnapshotter {
  return new NativeSnapshotter({ root: directory, store, copy: async (from, to) => copyTree(from, to) })
}

snapshotterSuite('overlay', overlay, async () => {
  const { store, directory } = await openStore()
  return openSnapshots({ root: directory, store })
})

snapshotterSuite('native', native, async () => openNative(await openStore()))

snapshotterSuite('in memory', overlay, async () => createMemorySnapshotter((await openStore()).store))

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

test('native: a child has what its parent has, and keeps it to itself', async () => {
  const snapshots = openNative(await openStore())
  const [parent] = await snapshots.prepare('ns', 'a', '')
  writeFileSync(join(parent!.source, 'file'), 'of the parent')
  await snapshots.commit('ns', 'one', 'a')
  const [child] = await snapshots.prepare('ns', 'b', 'one')
  assert.equal(readFileSync(join(child!.source, 'file'), 'utf8'), 'of the parent')
  writeFileSync(join(child!.source, 'file'), 'of the child')
  const [view] = await snapshots.view('ns', 'v', 'one')
  assert.equal(readFileSync(join(view!.source, 'file'), 'utf8'), 'of the parent')
  await rejectsRebase(snapshots)
})

async function rejectsRebase(snapshots: NativeSnapshotter): Promise<void> {
  await snapshots.prepare('ns', 'alone', '')
  await assert.rejects(snapshots.commit('ns', 'two', 'alone', { parent: 'one' }), { code: 'unimplemented' })
}

test('native: a copy that fails leaves nothing, and the key and the parent are free', async () => {
  const { store, directory } = await openStore()
  let fails = false
  const copy = async (from: string, to: string) => {
    writeFileSync(join(to, 'half'), from)
    if (fails) throw new Error('the disk is full')
  }
  const snapshots = new NativeSnapshotter({ root: directory, store, copy })
  await snapshots.prepare('ns', 'a', '')
  await snapshots.commit('ns', 'one', 'a')
  fails = true
  await assert.rejects(snapshots.prepare('ns', 'b', 'one'), /the disk is full/)
  await snapshots.cleanup()
  assert.equal(readdirSync(join(directory, 'snapshots')).length, 1)
  fails = false
  await snapshots.prepare('ns', 'b', 'one')
  await snapshots.remove('ns', 'b')
  await snapshots.remove('ns', 'one')
  await snapshots.cleanup()
  assert.deepEqual(readdirSync(join(directory, 'snapshots')), [])
})

test('native: a copy under way is not swept, one that a crash cut short is', async () => {
  const { store, directory } = await openStore()
  let finish: () => void = () => {}
  const copy = () => new Promise<void>((resolve) => (finish = resolve))
  const snapshots = new NativeSnapshotter({ root: directory, store, copy })
  await snapshots.prepare('ns', 'a', '')
  await snapshots.commit('ns', 'one', 'a')
  const making = snapshots.prepare('ns', 'b', 'one')
  await snapshots.cleanup()
  assert.equal(readdirSync(join(directory, 'snapshots')).length, 2)
  // What a new process finds where the old one was killed in the middle.
  await new NativeSnapshotter({ root: directory, store, copy }).cleanup()
  assert.equal(readdirSync(join(directory, 'snapshots')).length, 1)
  finish()
  await making
})

test('overlay: options of the configuration', async () => {
  const { store, directory } = await openStore()
  const settings = { mountOptions: ['index=on', 'volatile'], upperdirLabel: true, syncRemove: true }
  const snapshots = openSnapshots({ root: directory, store, settings })
  const [mount] = await snapshots.prepare('ns', 'a', '')
  assert.equal((await snapshots.stat('ns', 'a')).labels['containerd.io/snapshot/overlay.upperdir'], mount!.source)
  await snapshots.commit('ns', 'one', 'a')
  const [over] = await snapshots.prepare('ns', 'b', 'one')
  assert.deepEqual(over!.options.slice(3), ['index=on', 'volatile'], 'nothing speaks against what is configured')
  const labels = (await snapshots.list('ns')).map((info) => Object.keys(info.labels))
  assert.deepEqual(labels, [['containerd.io/snapshot/overlay.upperdir'], ['containerd.io/snapshot/overlay.upperdir']])
  await snapshots.remove('ns', 'b')
  assert.equal(readdirSync(join(directory, 'snapshots')).length, 1, 'its directory is gone when the call ends')
  assert.deepEqual(overlayCapabilities().includes('only-remap-ids'), true)
  assert.deepEqual(overlayCapabilities({ slowChown: true }).includes('only-remap-ids'), false)
})

test('overlay: a snapshot for a user namespace belongs to its root, and its mounts say how ids are mapped', async () => {
  const { store, directory } = await openStore()
  const { uid, gid } = userInfo() // whom anybody may give a file to
  const labels = {
    'containerd.io/snapshot/uidmapping': `5:77:1,0:${uid}:1000`,
    'containerd.io/snapshot/gidmapping': `0:${gid}:1000`,
  }
  const snapshots = openSnapshots({ root: directory, store })
  const [mount] = await snapshots.prepare('ns', 'a', '', labels)
  assert.deepEqual([statSync(mount!.source).uid, statSync(mount!.source).gid], [uid, gid])
  const maps = [`uidmap=5:77:1,0:${uid}:1000`, `gidmap=0:${gid}:1000`]
  if (overlayCapabilities().includes('remap-ids')) assert.deepEqual(mount!.options, [...maps, 'rw', 'rbind'])
  const bad = { ...labels, 'containerd.io/snapshot/uidmapping': '0:x:1' }
  await assert.rejects(snapshots.prepare('ns', 'b', '', bad), {
    message: 'failed to unmarshal snapshot ID mapped labels: input value 0:x:1 unparsable',
  })
  const rootless = { ...labels, 'containerd.io/snapshot/uidmapping': '1:1000:1' }
  await assert.rejects(snapshots.prepare('ns', 'b', '', rootless), /container ID 0 cannot be mapped to a host ID/)
  assert.equal(readdirSync(join(directory, 'snapshots')).length, 1)
})

test('overlay: many layers get short names, as long as they are there', async () => {
  const { store, directory } = await openStore()
  const linksDirectory = join(directory, 'l')
  mkdirSync(linksDirectory)
  for (const name of ['1', 'zzz']) symlinkSync('/nowhere', join(linksDirectory, name))
  const snapshots = openSnapshots({ root: directory, store, linksDirectory })
  let parent = ''
  for (let layer = 0; layer < 499; layer++) {
    await snapshots.prepare('ns', 'next', parent)
    parent = `layer-${layer}`
    await snapshots.commit('ns', parent, 'next')
  }
  const [mount] = await snapshots.prepare('ns', 'top', parent)
  const lowers = mount!.options
    .find((option) => option.startsWith('lowerdir='))!
    .slice('lowerdir='.length)
    .split(':')
  assert.equal(lowers.length, 499)
  assert.equal(new Set(lowers.map((path) => realpathSync(path))).size, 499)
  assert.equal(realpathSync(lowers[498]!), join(directory, 'snapshots', '1', 'fs'), 'the nearest comes first')
  assert.ok(!existsSync(join(linksDirectory, 'zzz')), 'a link of a layer that is no more')
  const again = openSnapshots({ root: directory, store, linksDirectory })
  assert.deepEqual(await again.mounts('ns', 'top'), [mount])
  assert.ok(existsSync(lowers[7]!), 'what an earlier process gave out can still be mounted')
  // What containerd's clients make of it: they change into the directory that all of them share.
  const shortened = mount!.options.join(',').replaceAll(`${linksDirectory}/`, '')
  assert.ok(shortened.length < 4096 - 512, `${shortened.length} bytes`)
  await snapshots.remove('ns', 'top')
  await snapshots.remove('ns', parent)
  assert.ok(!existsSync(lowers[0]!))
  await snapshots.prepare('ns', 'short', 'layer-3')
  assert.ok(!(await snapshots.mounts('ns', 'short'))[0]!.options.join().includes(linksDirectory))
})
