import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTurn } from '../../base/next-turn.ts'
import { Flights, Slots, together } from './together.ts'

const NEVER = new AbortController().signal

test('a failure aborts the rest and is told once all of it has ended', async () => {
  let isOver = false
  const work = async (item: number, signal: AbortSignal) => {
    if (item === 1) throw new Error('first')
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    await nextTurn()
    isOver = true
  }
  await assert.rejects(together([0, 1], NEVER, work), /first/)
  assert.ok(isOver)
})

test('no more work is under way than there are slots, in the order of asking', async () => {
  const slots = new Slots(2)
  const begun: number[] = []
  const release: (() => void)[] = []
  const works = [0, 1, 2, 3].map((item) =>
    slots.run(async () => {
      begun.push(item)
      await new Promise<void>((resolve) => release.push(resolve))
    }),
  )
  await nextTurn()
  assert.deepEqual(begun, [0, 1])
  release[1]!()
  await nextTurn()
  assert.deepEqual(begun, [0, 1, 2])
  release[0]!()
  release[2]!()
  await nextTurn()
  release[3]!()
  await Promise.all(works)
})

test('one works at a time under a key, who waits hears of it, and takes over where it fails', async () => {
  const flights = new Flights()
  const heard: number[] = []
  const order: string[] = []
  let fail: (error: Error) => void = () => {}
  const first = flights.run('key', { signal: NEVER }, async (tell) => {
    order.push('first')
    await nextTurn()
    tell(5)
    await new Promise((_, reject) => {
      fail = reject
    })
  })
  const others = ['second', 'third'].map((name) =>
    flights.run('key', { signal: NEVER, onProgress: (done) => heard.push(done) }, async () => order.push(name)),
  )
  const given = new AbortController()
  const abandoned = flights.run('key', { signal: given.signal }, async () => order.push('never'))
  given.abort()
  await assert.rejects(abandoned, { code: 'cancelled' })
  await flights.run('another', { signal: NEVER }, async () => order.push('another'))
  await nextTurn()
  fail(new Error('gone'))
  await assert.rejects(first, /gone/)
  await Promise.all(others)
  assert.deepEqual(order, ['first', 'another', 'second', 'third'])
  assert.deepEqual(heard, [5, 5])
})
