// What a real dockerd answered to each exchange of test/golden/http/exchanges.lines, and what ours answers to the same at the same API version:
// status, headers, an error's body word by word, of other bodies each key and type.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Answer, askAll, compareAnswers, GOLDEN_HTTP, parseExchanges } from '../harness/golden-http.ts'
import { compareWithListed } from '../harness/parity.ts'
import { loadDifferences } from '../harness/parity-differences.ts'
import { type ParityEngine, startParityEngine } from '../harness/parity-sides.ts'

const files = [...parseExchanges(readFileSync(join(GOLDEN_HTTP, 'exchanges.lines'), 'utf8')).keys()]
let ours: ParityEngine
let answers: Map<string, Answer[]>

before(async () => {
  ours = await startParityEngine()
  answers = await askAll(ours.socketPath)
})
after(() => ours?.[Symbol.asyncDispose]())

describe('the same answers as of dockerd', () => {
  const listed = loadDifferences().filter(({ chapter }) => chapter === 'http')
  for (const file of files)
    test(file, () => {
      const recorded = JSON.parse(readFileSync(join(GOLDEN_HTTP, `${file}.json`), 'utf8')) as Answer[]
      const asked = answers.get(file) ?? []
      assert.deepEqual(
        asked.map(({ line }) => line),
        recorded.map(({ line }) => line),
        'to be recorded again',
      )
      const differences = new Map(
        recorded.flatMap((golden, index) => {
          const answer = asked[index]
          const words = answer === undefined ? [] : compareAnswers(golden, answer)
          return words.length === 0 ? [] : [[golden.line, words] as const]
        }),
      )
      const here = listed.filter(({ line }) => recorded.some((golden) => golden.line === line))
      const { unlisted, gone } = compareWithListed(differences, here)
      assert.deepEqual({ unlisted: Object.fromEntries(unlisted), gone }, { unlisted: {}, gone: [] })
    })
})
