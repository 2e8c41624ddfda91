import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import type { ContainerRecord } from './container.ts'
import { initialState } from './container-state.ts'
import { ContainerStore } from './container-store.ts'

const A = `a1${'0'.repeat(62)}`
const B = `a2${'0'.repeat(62)}`

function record(id: string, name: string, createdAt = '2026-01-01T00:00:00Z'): ContainerRecord {
  return {
    version: 1,
    id,
    name,
    createdAt,
    image: { id: 'sha256:x', chainId: undefined, manifest: undefined },
    path: 'sh',
    args: [],
    config: {},
    hostConfig: {},
    state: initialState(),
    restartCount: 0,
    wasStopped: false,
    hasRun: false,
    endpoint: undefined,
    mountPoints: [],
  }
}

function withStore(run: (store: ContainerStore, reopen: () => ContainerStore) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'berth-store-'))
  try {
    run(ContainerStore.open(directory, silentLog), () => ContainerStore.open(directory, silentLog))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('a container is found by id, name with and without slash, and unique prefix', () => {
  withStore((store) => {
    const a = store.add(record(A, 'one'))
    store.add(record(B, 'two'))
    for (const text of [A, 'one', '/one', 'a1']) assert.equal(store.require(text), a, text)
    assert.throws(() => store.require('a'), {
      code: 'invalid-argument',
      message: 'multiple IDs found with provided prefix: a',
    })
    assert.throws(() => store.require('nope'), { code: 'not-found', message: 'No such container: nope' })
    assert.throws(() => store.require(''), { code: 'not-found', message: 'No such container: ' })
  })
})

test("a name that is another container's prefix wins", () => {
  withStore((store) => {
    store.add(record(A, 'one'))
    const b = store.add(record(B, 'a1'))
    assert.equal(store.require('a1'), b)
  })
})

test('names are unique, with the words that scripts look for', () => {
  withStore((store) => {
    store.add(record(A, 'one'))
    assert.throws(() => store.add(record(B, 'one')), {
      code: 'conflict',
      message: `Conflict. The container name "/one" is already in use by container "${A}". You have to remove (or rename) that container to be able to reuse that name.`,
    })
    const two = store.add(record(B, 'two'))
    assert.throws(() => store.rename(two, 'one'), { code: 'conflict' })
    store.rename(two, 'three')
    assert.equal(store.find('two'), undefined)
    assert.equal(store.require('three'), two)
    store.delete(two)
    store.add(record(B, 'three'))
  })
})

test('records are found again by the next process, under their latest name', () => {
  withStore((store, reopen) => {
    const container = store.add(record(A, 'one'))
    container.makeDirectory()
    container.save()
    store.rename(container, 'other')
    container.state.exitCode = 7
    container.save()
    const again = reopen()
    assert.equal(again.require('other').state.exitCode, 7)
    assert.equal(again.find('one'), undefined)
  })
})

test('what a crash left of a creation or a removal is cleared away, a damaged record is kept', () => {
  withStore((store, reopen) => {
    const half = join(store.directory, A)
    const damaged = join(store.directory, B)
    for (const path of [half, damaged]) mkdirSync(path, { recursive: true })
    writeFileSync(join(half, 'hosts'), '')
    writeFileSync(join(damaged, 'container.json'), '{')
    assert.equal(reopen().size, 0)
    assert.equal(existsSync(half), false)
    assert.equal(existsSync(damaged), true)
  })
})

test('a removed container writes no record any more', () => {
  withStore((store, reopen) => {
    const container = store.add(record(A, 'one'))
    container.isGone = true
    container.save()
    assert.equal(reopen().size, 0)
  })
})

test('containers are listed newest first', () => {
  withStore((store) => {
    store.add(record(A, 'old', '2026-01-01T00:00:00.5Z'))
    store.add(record(B, 'new', '2026-01-01T00:00:00.75Z'))
    assert.deepEqual(
      store.list().map((each) => each.name),
      ['new', 'old'],
    )
  })
})
