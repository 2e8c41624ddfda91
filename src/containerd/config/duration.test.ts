// Go's durations.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration } from './duration.ts'

const CASES: [text: string, ms: number][] = [
  ['0', 0],
  ['0s', 0],
  ['100ms', 100],
  ['1h2m3.5s', 3_723_500],
  ['-1.5m', -90_000],
  ['+.5s', 500],
  ['1µs', 0.001],
  ['1us', 0.001],
  ['1.s', 1000],
]

for (const [text, ms] of CASES) test(text, () => assert.equal(parseDuration(text), ms))

const WRONG: [text: string, message: string][] = [
  ['', 'time: invalid duration ""'],
  ['5', 'time: missing unit in duration "5"'],
  ['5d', 'time: unknown unit "d" in duration "5d"'],
  ['1s5', 'time: missing unit in duration "1s5"'],
  ['s', 'time: invalid duration "s"'],
  ['1 s', 'time: unknown unit " s" in duration "1 s"'],
  ['--1s', 'time: invalid duration "--1s"'],
]

for (const [text, message] of WRONG)
  test(`refused: ${JSON.stringify(text)}`, () => assert.throws(() => parseDuration(text), { message }))
