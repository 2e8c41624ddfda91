// What every snapshotter does, the fake included.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFailure } from '../../base/failure.ts'
import type { FailureCode } from '../../base/failure.ts'
import type { Mount, Snapshotter } from './snapshotter.ts'

const NS = 'testing'

function option(mounts: Mount[], key: string): string {
  return mounts[0]?.options.find((text) => text.startsWith(`${key}=`))?.slice(key.length + 1) ?? ''
}

async function rejects(work: Promise<unknown>, code: FailureCode): Promise<void> {
  await assert.rejects(work, (error) => isFailure(error, code))
}

/** `open` gives an empty one each time. `layered`: parents are laid below by the mounts; else each snapshot is a whole tree in one directory. */
export function snapshotterSuite(
  name: string,
  { layered }: { layered: boolean },
  open: () => Promise<Snapshotter>,
): void {
  const it = (what: string, work: (snapshots: Snapshotter) => Promise<void>) =>
    test(`${name}: ${what}`, async () => work(await open()))
  const itLayers = layered ? it : () => {}

  it('a snapshot without parent is a writable bind', async (snapshots) => {
    const mounts = await snapshots.prepare(NS, 'a', '')
    assert.equal(mounts[0]?.type, 'bind')
    assert.deepEqual(mounts[0]?.options.toSorted(), ['rbind', 'rw'])
    assert.deepEqual(await snapshots.mounts(NS, 'a'), mounts)
  })

  it('a snapshot over others can be written, and is not one of them', async (snapshots) => {
    const first = await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    const second = await snapshots.prepare(NS, 'b', 'one')
    const target = (mounts: Mount[]) => option(mounts, 'upperdir') || mounts[0]?.source
    assert.notEqual(target(second), target(first))
    assert.ok(!second[0]?.options.includes('ro'))
    assert.deepEqual(await snapshots.mounts(NS, 'b'), second)
  })

  itLayers('layers lie on each other, nearest first', async (snapshots) => {
    const first = await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    const second = await snapshots.prepare(NS, 'b', 'one')
    assert.equal(option(second, 'lowerdir'), first[0]?.source)
    await snapshots.commit(NS, 'two', 'b')
    const third = await snapshots.prepare(NS, 'c', 'two')
    assert.equal(third[0]?.type, 'overlay')
    assert.equal(option(third, 'lowerdir'), `${option(second, 'upperdir')}:${first[0]?.source}`)
    assert.notEqual(option(third, 'workdir'), '')
  })

  it('a view can only be read', async (snapshots) => {
    const first = await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    const view = await snapshots.view(NS, 'v', 'one')
    assert.deepEqual([view.length, view[0]?.type, view[0]?.source], [1, 'bind', first[0]!.source])
    assert.deepEqual(view[0]?.options.toSorted(), ['rbind', 'ro'])
    const empty = await snapshots.view(NS, 'empty', '')
    assert.deepEqual(empty[0]?.options.toSorted(), ['rbind', 'ro'])
    await snapshots.prepare(NS, 'b', 'one')
    await snapshots.commit(NS, 'two', 'b')
    const deep = await snapshots.view(NS, 'w', 'two')
    assert.equal(deep[0]?.type, layered ? 'overlay' : 'bind')
    assert.equal(option(deep, 'upperdir'), '')
    await rejects(snapshots.commit(NS, 'three', 'v'), 'failed-precondition')
  })

  itLayers('a snapshot prepared without parent can be laid on one at its commit', async (snapshots) => {
    const base = await snapshots.prepare(NS, 'a', '')
    const upper = await snapshots.prepare(NS, 'b', '')
    await rejects(snapshots.commit(NS, 'two', 'b', { parent: 'one' }), 'not-found')
    await snapshots.commit(NS, 'one', 'a')
    await snapshots.commit(NS, 'two', 'b', { parent: 'one' })
    assert.equal((await snapshots.stat(NS, 'two')).parent, 'one')
    const mounts = await snapshots.prepare(NS, 'c', 'two')
    assert.equal(option(mounts, 'lowerdir'), `${upper[0]?.source}:${base[0]?.source}`)
    await rejects(snapshots.remove(NS, 'one'), 'failed-precondition')
    await snapshots.prepare(NS, 'd', 'one')
    await snapshots.prepare(NS, 'other', '')
    await snapshots.commit(NS, 'unrelated', 'other')
    await rejects(snapshots.commit(NS, 'x', 'd', { parent: 'unrelated' }), 'invalid-argument')
  })

  it('names, once taken, are refused', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await rejects(snapshots.prepare(NS, 'a', ''), 'already-exists')
    await rejects(snapshots.view(NS, 'a', ''), 'already-exists')
    await snapshots.commit(NS, 'one', 'a')
    await snapshots.prepare(NS, 'a', '')
    await rejects(snapshots.commit(NS, 'one', 'a'), 'already-exists')
    await rejects(snapshots.prepare(NS, '', ''), 'invalid-argument')
  })

  it('what is not there is not found', async (snapshots) => {
    await rejects(snapshots.stat(NS, 'x'), 'not-found')
    await rejects(snapshots.mounts(NS, 'x'), 'not-found')
    await rejects(snapshots.remove(NS, 'x'), 'not-found')
    await rejects(snapshots.usage(NS, 'x'), 'not-found')
    await rejects(snapshots.commit(NS, 'one', 'x'), 'not-found')
    await rejects(snapshots.prepare(NS, 'a', 'x'), 'not-found')
    await rejects(snapshots.update(NS, { name: 'x', labels: {} }, []), 'not-found')
    assert.deepEqual(await snapshots.list(NS), [])
  })

  it('an active snapshot is nobody’s parent, and a committed one has no mounts', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await rejects(snapshots.prepare(NS, 'b', 'a'), 'invalid-argument')
    await snapshots.commit(NS, 'one', 'a')
    await rejects(snapshots.mounts(NS, 'one'), 'failed-precondition')
  })

  it('a parent can be removed after its last child', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    await snapshots.prepare(NS, 'b', 'one')
    await snapshots.view(NS, 'v', 'one')
    await rejects(snapshots.remove(NS, 'one'), 'failed-precondition')
    await snapshots.remove(NS, 'b')
    await rejects(snapshots.remove(NS, 'one'), 'failed-precondition')
    await snapshots.remove(NS, 'v')
    await snapshots.remove(NS, 'one')
    assert.deepEqual(await snapshots.list(NS), [])
    await snapshots.cleanup()
  })

  it('labels are set, replaced one by one, and not inherited by the commit', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '', { x: '1' })
    assert.deepEqual((await snapshots.stat(NS, 'a')).labels, { x: '1' })
    await snapshots.update(NS, { name: 'a', labels: { y: '2', z: '3' } }, ['labels.y'])
    assert.deepEqual((await snapshots.stat(NS, 'a')).labels, { x: '1', y: '2' })
    await snapshots.update(NS, { name: 'a', labels: { x: '' } }, ['labels.x'])
    assert.deepEqual((await snapshots.stat(NS, 'a')).labels, { y: '2' })
    await rejects(snapshots.update(NS, { name: 'a', labels: {} }, ['parent']), 'invalid-argument')
    await rejects(snapshots.update(NS, { name: 'a', labels: { big: 'x'.repeat(5000) } }, []), 'invalid-argument')
    await snapshots.commit(NS, 'one', 'a', { labels: { l: 'm' } })
    assert.deepEqual((await snapshots.stat(NS, 'one')).labels, { l: 'm' })
  })

  it('of prepares of one key at once, one succeeds', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    const results = await Promise.allSettled([
      snapshots.prepare(NS, 'same', 'one'),
      snapshots.prepare(NS, 'same', 'one'),
      snapshots.view(NS, 'same', 'one'),
      snapshots.prepare(NS, 'other', 'one'),
    ])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    )
    const names = (await snapshots.list(NS)).map(({ name: found }) => found)
    assert.deepEqual(names, ['one', 'other', 'same'])
  })

  it('a parent stays while a child is being made of it, and goes after a child that failed', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await snapshots.commit(NS, 'one', 'a')
    const making = snapshots.prepare(NS, 'b', 'one')
    await rejects(snapshots.remove(NS, 'one'), 'failed-precondition')
    await rejects(snapshots.commit(NS, 'b', 'one'), 'already-exists')
    await making
    await rejects(snapshots.prepare(NS, 'b', 'one'), 'already-exists')
    await snapshots.remove(NS, 'b')
    await snapshots.remove(NS, 'one')
  })

  it('keys and names are any text', async (snapshots) => {
    const odd = [
      'a/b/../c',
      '..',
      'with space',
      'ünï/cödé',
      'new\nline',
      'quote\'"',
      'x'.repeat(500),
      '%00',
      '-t',
      'k\\:,=',
    ]
    for (const key of odd) {
      await snapshots.prepare(NS, key, '')
      await snapshots.commit(NS, `committed ${key}`, key)
      await snapshots.view(NS, key, `committed ${key}`)
      assert.equal((await snapshots.stat(NS, key)).parent, `committed ${key}`)
    }
    assert.equal((await snapshots.list(NS)).length, 2 * odd.length)
    for (const key of odd) {
      await snapshots.remove(NS, key)
      await snapshots.remove(NS, `committed ${key}`)
    }
    assert.deepEqual(await snapshots.list(NS), [])
  })

  it('times tell when a snapshot was made and when its labels changed', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    const made = await snapshots.stat(NS, 'a')
    assert.ok(made.createdAtMs > 0 && made.updatedAtMs === made.createdAtMs)
    const updated = await snapshots.update(NS, { name: 'a', labels: { x: 'y' } }, ['labels'])
    assert.equal(updated.createdAtMs, made.createdAtMs)
    assert.ok(updated.updatedAtMs >= made.updatedAtMs)
    assert.deepEqual(await snapshots.list(NS), [updated])
  })

  it('usage is of the snapshot alone', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    const active = await snapshots.usage(NS, 'a')
    assert.ok(active.sizeBytes >= 0 && active.inodes >= 0)
    await snapshots.commit(NS, 'one', 'a')
    assert.equal((await snapshots.usage(NS, 'one')).inodes, active.inodes)
    await snapshots.view(NS, 'v', 'one')
    assert.ok((await snapshots.usage(NS, 'v')).inodes <= 1)
  })

  it('namespaces do not see each other', async (snapshots) => {
    await snapshots.prepare(NS, 'a', '')
    await snapshots.prepare('other', 'a', '')
    await snapshots.commit('other', 'one', 'a')
    await rejects(snapshots.prepare(NS, 'b', 'one'), 'not-found')
    assert.deepEqual(
      (await snapshots.list(NS)).map(({ name }) => name),
      ['a'],
    )
    assert.deepEqual(
      (await snapshots.list('other')).map(({ name }) => name),
      ['one'],
    )
  })
}
