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

/** `open` gives an empty one each time. */
export function snapshotterSuite(name: string, open: () => Promise<Snapshotter>): void {
  const it = (what: string, work: (snapshots: Snapshotter) => Promise<void>) =>
    test(`${name}: ${what}`, async () => work(await open()))

  it('a snapshot without parent is a writable bind', async (snapshots) => {
    const mounts = await snapshots.prepare(NS, 'a', '')
    assert.equal(mounts[0]?.type, 'bind')
    assert.deepEqual(mounts[0]?.options, ['rw', 'rbind'])
    assert.deepEqual(await snapshots.mounts(NS, 'a'), mounts)
  })

  it('layers lie on each other, nearest first', async (snapshots) => {
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
    assert.deepEqual(view, [{ type: 'bind', source: first[0]!.source, options: ['ro', 'rbind'] }])
    await snapshots.prepare(NS, 'b', 'one')
    await snapshots.commit(NS, 'two', 'b')
    const deep = await snapshots.view(NS, 'w', 'two')
    assert.equal(deep[0]?.type, 'overlay')
    assert.equal(option(deep, 'upperdir'), '')
    await rejects(snapshots.commit(NS, 'three', 'v'), 'failed-precondition')
  })

  it('a snapshot prepared without parent can be laid on one at its commit', async (snapshots) => {
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
