import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { digestOf } from '../../oci/digest.ts'
import type { Engine } from '../engine.ts'
import { EventLog } from '../events/event-log.ts'
import type { Image } from './image-store.ts'
import { removeImage } from './remove.ts'

const id = digestOf('config')
const short = id.slice(7, 19)
const other = digestOf('index')
const BUSYBOX = 'docker.io/library/busybox:latest'
const BUSYBOX_1 = 'docker.io/library/busybox:1'
const PINNED = `docker.io/library/busybox@${other}`
const ELSEWHERE = 'r.io/busybox:latest'

function setUp(recordNames: string[], containers: { id: string; status: string }[] = []) {
  const image = { id, recordNames, config: { config: {} } } as unknown as Image
  const removed: { names: readonly string[]; keep: boolean }[] = []
  const events = new EventLog(systemClock)
  const engine = {
    events,
    images: {
      untag: async (_: Image, names: readonly string[], options = { keep: false }) => {
        removed.push({ names, keep: options.keep })
      },
    },
    containers: {
      list: () =>
        containers.map(({ id: container, status }) => ({
          id: container,
          record: { image: { id } },
          state: { status },
        })),
    },
  } as unknown as Engine
  return { engine, image, removed, events }
}

const stopped = [{ id: 'c'.repeat(64), status: 'exited' }]
const running = [{ id: 'c'.repeat(64), status: 'running' }]

test('a name goes; the image goes with its last one', async () => {
  const several = setUp([BUSYBOX, ELSEWHERE])
  assert.deepEqual(await removeImage(several.engine, several.image, 'busybox', false), [{ Untagged: 'busybox:latest' }])
  assert.deepEqual(several.removed, [{ names: [BUSYBOX], keep: false }])
  const last = setUp([BUSYBOX])
  assert.deepEqual(await removeImage(last.engine, last.image, 'busybox', false), [
    { Untagged: 'busybox:latest' },
    { Deleted: id },
  ])
  assert.deepEqual(
    last.events.kept().map(({ Action }) => Action),
    ['untag', 'delete'],
  )
})

test('with the last tag of a repository go its digests', async () => {
  const both = setUp([BUSYBOX, PINNED])
  assert.deepEqual(await removeImage(both.engine, both.image, 'busybox', false), [
    { Untagged: 'busybox:latest' },
    { Untagged: `busybox@${other}` },
    { Deleted: id },
  ])
  const more = setUp([BUSYBOX, BUSYBOX_1, PINNED])
  assert.deepEqual(await removeImage(more.engine, more.image, 'busybox', false), [{ Untagged: 'busybox:latest' }])
})

test('by id all names go, unless there are several and force is not used', async () => {
  const one = setUp([BUSYBOX])
  assert.deepEqual(await removeImage(one.engine, one.image, short, false), [
    { Untagged: 'busybox:latest' },
    { Deleted: id },
  ])
  const two = setUp([BUSYBOX, ELSEWHERE])
  await assert.rejects(removeImage(two.engine, two.image, short, false), {
    code: 'conflict',
    message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  })
  assert.equal((await removeImage(two.engine, two.image, short, true)).length, 3)
})

test('a container that uses it is a conflict, with the words that Docker has', async () => {
  const name = setUp([BUSYBOX], stopped)
  await assert.rejects(removeImage(name.engine, name.image, 'busybox', false), {
    message: `conflict: unable to remove repository reference "busybox" (must force) - container cccccccccccc is using its referenced image ${short}`,
  })
  await assert.rejects(removeImage(name.engine, name.image, id, false), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  })
  const busy = setUp([BUSYBOX], running)
  await assert.rejects(removeImage(busy.engine, busy.image, id, true), {
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  })
  assert.deepEqual([name.removed, busy.removed], [[], []])
})

test('forced away from a container, an image only loses its name', async () => {
  const { engine, image, removed } = setUp([BUSYBOX], running)
  assert.deepEqual(await removeImage(engine, image, 'busybox', true), [{ Untagged: 'busybox:latest' }])
  assert.deepEqual(removed, [{ names: [BUSYBOX], keep: true }])
})

test('an image without a name is removed by its id', async () => {
  const { engine, image, removed } = setUp([`moby-dangling@${other}`])
  assert.deepEqual(await removeImage(engine, image, short, false), [{ Deleted: id }])
  assert.deepEqual(removed, [{ names: [`moby-dangling@${other}`], keep: false }])
})
