// What a real dockerd answered to each exchange of test/golden/http/exchanges.lines, and what ours answers to the same at the same API version:
// status, headers, an error's body word by word, of other bodies each key and type.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type Answer, askAll, compareWithGolden, GOLDEN_HTTP, parseExchanges } from '../harness/golden-http.ts'
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
      const { unlisted, gone } = compareWithListed(
        compareWithGolden(file, answers),
        listed.filter(({ line }) => answers.get(file)?.some((answer) => answer.line === line)),
      )
      assert.deepEqual({ unlisted: Object.fromEntries(unlisted), gone }, { unlisted: {}, gone: [] })
    })
})

test('every endpoint that is asked is served', () => {
  const refused = [...answers.values()].flat().filter(({ body }) => String(body).includes('page not found'))
  assert.deepEqual(
    refused.map(({ line }) => line),
    ['GET /no-such', 'POST /version'],
  )
})
