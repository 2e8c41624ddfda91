// The Docker CLI, as 28 and as Debian's 20.10, against a real dockerd and against ours, line by line: the same on both streams and the same exit
// code, or listed in parity/differences.json with a reason.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { findProgram } from '../harness/runtime.ts'
import { loadDifferences } from '../harness/parity-differences.ts'
import { loadChapters } from '../harness/parity-lines.ts'
import { judgeChapter } from '../harness/parity.ts'
import { type ParitySides, startParitySides } from '../harness/parity-sides.ts'

const skip = findProgram('dockerd') === undefined ? 'dockerd is not installed' : false
const known = loadDifferences()
let sides: ParitySides | undefined

before(async () => {
  if (skip === false) sides = await startParitySides()
})
after(() => sides?.[Symbol.asyncDispose]())

for (const version of ['28', '20.10'] as const)
  describe(`the Docker CLI ${version}`, { skip }, () => {
    for (const chapter of loadChapters().filter(({ clients }) => clients.includes(version)))
      test(chapter.name, async (t) => {
        assert.ok(sides)
        const client = sides.clients.find(({ name }) => name === version)
        if (client === undefined) return t.skip('not installed')
        const { unlisted, gone } = await judgeChapter(chapter, client, sides, known)
        const shown = [...unlisted].map(([line, words]) => [line, ...words].join('\n    '))
        assert.deepEqual(
          { unlisted: shown.join('\n'), 'listed, but gone': gone },
          { unlisted: '', 'listed, but gone': [] },
        )
        return undefined
      })
  })
