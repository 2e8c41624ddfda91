// Archives made to break out, to break us, or just broken: each is applied by our containerd and by the original, over the same layer below.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openNativeKernel } from '../../src/linux/native-kernel.ts'
import { type ArchiveCase, archiveCases, BASE, TAR } from '../harness/archive-cases.ts'
import { tarOf } from '../harness/fake-registry.ts'
import { describeTree } from '../harness/tree.ts'
import { type ContainerdSide, startTwoContainerds, storeBlob } from '../harness/two-containerds.ts'

const kernel = openNativeKernel()
const outside = mkdtempSync(join(tmpdir(), 'outside-'))
const secret = join(outside, 'secret')
const kept = '/tmp/berth-kept'
const corpus = await archiveCases(secret)
let both: Awaited<ReturnType<typeof startTwoContainerds>>
let startedNs = 0n

before(async () => {
  both = await startTwoContainerds()
  writeFileSync(secret, 'of the host', { mode: 0o640 })
  writeFileSync(kept, 'of the host')
  for (const side of [both.ours, both.original])
    for (const snapshotter of ['overlayfs', 'native']) {
      const base = await outcomeOf(side, snapshotter, '', { layer: await tarOf(BASE), mediaType: TAR }, 'base')
      assert.ok('tree' in base, 'error' in base ? base.error : '')
    }
  startedNs = BigInt(Date.now()) * 1_000_000n
})
after(async () => {
  await both[Symbol.asyncDispose]()
  rmSync(outside, { recursive: true })
  rmSync(kept)
})

type Outcome = { tree: string[]; applied: string } | { error: string }

/** Leaves the snapshot under `commitAs`, or nothing. */
async function outcomeOf(
  side: ContainerdSide,
  snapshotter: string,
  parent: string,
  { layer, mediaType }: Pick<ArchiveCase, 'layer' | 'mediaType'>,
  commitAs = '',
): Promise<Outcome> {
  const { snapshots, diff } = side.client
  const { digest, size } = await storeBlob(side, layer)
  const { mounts } = await snapshots.prepare({ snapshotter, key: 'case', parent })
  try {
    const { applied } = await diff.apply({ diff: { mediaType, digest, size: BigInt(size) }, mounts })
    const tree = await treeOf(mounts)
    if (commitAs !== '') await snapshots.commit({ snapshotter, name: commitAs, key: 'case' })
    return { tree, applied: `${applied?.mediaType} ${applied?.digest} ${applied?.size}` }
  } catch (error) {
    return { error: String(error) }
  } finally {
    if (commitAs === '') await snapshots.remove({ snapshotter, key: 'case' })
  }
}

/**
 * What was made now has the time of now, on each side another. Directories have none here: the original's native snapshotter does not copy
 * it, and one that no entry made has that of the layer below with us.
 */
async function treeOf(mounts: { type: string; source: string; options: string[] }[]): Promise<string[]> {
  const [mount] = mounts
  const target = mkdtempSync(join(tmpdir(), 'corpus-'))
  try {
    const options = mount!.options.filter((option) => !['rw', 'rbind'].includes(option)).join(',')
    if (mount!.type === 'bind') kernel.mount(mount!.source, target, undefined, 0x1000)
    else kernel.mount('overlay', target, 'overlay', 0, options)
    try {
      return (await describeTree(target))
        .slice(1)
        .map((line) => line.replace(/( 4\d{4} \S+) t\S+/, '$1'))
        .map((line) => line.replace(/ t(\d+)/, (all, time) => (BigInt(time) >= startedNs ? ' now' : all)))
    } finally {
      kernel.umount(target, 0)
    }
  } finally {
    rmSync(target, { recursive: true })
  }
}

function nothingOutsideIsTouched(): void {
  assert.equal(readFileSync(secret, 'utf8'), 'of the host')
  assert.deepEqual([statSync(secret).mode & 0o777, statSync(secret).nlink, statSync(outside).uid], [0o640, 1, 0])
  assert.equal(readFileSync(kept, 'utf8'), 'of the host')
  for (const path of ['/tmp/berth-escaped', join(outside, 'berth-escaped')]) assert.ok(!existsSync(path), path)
}

async function nothingIsLeft(): Promise<void> {
  const { statuses } = await both.ours.client.content.listStatuses({})
  assert.deepEqual(statuses, [])
  for (const snapshotter of ['overlayfs', 'native']) {
    const lines = (await both.ours.ok('snapshots', '--snapshotter', snapshotter, 'ls')).split('\n').slice(1)
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      ['base'],
    )
  }
}

for (const snapshotter of ['overlayfs', 'native'])
  test(`${snapshotter}: each archive does what it does to the original, or what we say`, async (t) => {
    for (const each of corpus.filter(({ only }) => only === undefined || only === snapshotter))
      await t.test(each.name, async () => {
        const [ours, theirs] = await Promise.all([
          outcomeOf(both.ours, snapshotter, 'base', each),
          outcomeOf(both.original, snapshotter, 'base', each),
        ])
        nothingOutsideIsTouched()
        compare(each, ours, theirs)
        if ('error' in ours) {
          assert.match(ours.error, /^Failure: failed to (?:extract layer sha256:\w{64}: |get stream processor for )/)
          if (each.words) assert.match(ours.error, each.words)
        }
      })
    await nothingIsLeft()
  })

function compare({ expected }: ArchiveCase, ours: Outcome, theirs: Outcome): void {
  const what = (outcome: Outcome) => ('error' in outcome ? 'refused' : 'unpacked')
  if (expected === 'same') {
    if ('tree' in ours && 'tree' in theirs) assert.deepEqual(ours, theirs)
    else assert.equal(what(ours), what(theirs), `${JSON.stringify(ours)}\n${JSON.stringify(theirs)}`)
  } else if (expected === 'refused') {
    assert.deepEqual([what(ours), what(theirs)], ['refused', 'refused'], JSON.stringify([ours, theirs]))
  } else {
    assert.equal(what(ours), expected.ours, JSON.stringify(ours))
  }
}
