// The model of a disk that loses power, by itself.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Random } from './fuzz/mutate.ts'
import { Disk, type DiskChange, type Order } from './harness/power-loss.ts'

const write = (path: string, text: string, at = 0, isSync = false): DiskChange => ({
  kind: 'write',
  path,
  at,
  data: Buffer.from(text),
  isSync,
})

/** Every state that a few throws of the dice lead to, as text. */
function states(order: Order, events: DiskChange[]): Set<string> {
  const found = new Set<string>()
  for (let seed = 1; seed < 250; seed++) {
    const random = new Random(seed)
    const chance = () => random.below(1 << 20) / (1 << 20)
    const disk = new Disk(order)
    for (const event of events) disk.apply(event)
    found.add(
      [...disk.image(chance)]
        .map(([path, data]) => `${path}${data === undefined ? '/' : `=${data.toString().replaceAll('\0', '.')}`}`)
        .join(' '),
    )
  }
  return found
}

test('nothing is certain that was not synced', () => {
  const events: DiskChange[] = [{ kind: 'create', path: 'a' }, write('a', 'x')]
  for (const order of ['journaled', 'loose'] as const)
    assert.deepEqual(states(order, events), new Set(['', 'a=', 'a=x', 'a=.']))
})

test('a file’s fsync keeps its bytes; whether its name, depends', () => {
  const events: DiskChange[] = [{ kind: 'create', path: 'a' }, write('a', 'x'), { kind: 'sync', path: 'a' }]
  assert.deepEqual(states('journaled', events), new Set(['a=x']))
  assert.deepEqual(states('loose', events), new Set(['', 'a=x']))
  assert.deepEqual(states('loose', [...events, { kind: 'sync', path: '' }]), new Set(['a=x']))
})

test('a write with O_DSYNC is there, and none that came before it in the same file need be', () => {
  const events: DiskChange[] = [
    { kind: 'create', path: 'a' },
    { kind: 'sync', path: '' },
    write('a', 'x'),
    write('a', 'y', 1, true),
  ]
  assert.deepEqual(states('loose', events), new Set(['a=xy', 'a=.y']))
})

test('a rename is done or not done, and takes along what is in a directory', () => {
  const events: DiskChange[] = [
    { kind: 'mkdir', path: 'd' },
    { kind: 'create', path: 'd/a' },
    { kind: 'sync', path: '' },
    { kind: 'sync', path: 'd' },
    { kind: 'rename', path: 'd', to: 'e' },
  ]
  for (const order of ['journaled', 'loose'] as const)
    assert.deepEqual(states(order, events), new Set(['d/ d/a=', 'e/ e/a=']))
})

test('names reach a journaled disk in order, and a loose one as they like', () => {
  const events: DiskChange[] = [
    { kind: 'create', path: 'a' },
    { kind: 'create', path: 'b' },
  ]
  assert.deepEqual(states('journaled', events), new Set(['', 'a=', 'a= b=']))
  assert.deepEqual(states('loose', events), new Set(['', 'a=', 'b=', 'a= b=']))
  const synced: DiskChange[] = [...events, { kind: 'sync', path: 'b' }]
  assert.deepEqual(states('journaled', synced), new Set(['a= b=']))
})

test('a long write may be torn between sectors', () => {
  const text = 'x'.repeat(512) + 'y'.repeat(512)
  const seen = states('journaled', [{ kind: 'create', path: 'a' }, { kind: 'sync', path: 'a' }, write('a', text)])
  assert.ok(
    seen.has(`a=${'x'.repeat(512)}`) && seen.has(`a=${'x'.repeat(512)}${'.'.repeat(512)}`) && seen.has(`a=${text}`),
  )
})
