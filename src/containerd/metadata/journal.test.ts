import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Change, Journal, readJournals } from './journal.ts'

const put = (key: string): Change[] => [{ key, value: Buffer.from(key) }]

/** Generations 1 to 3 with two changes each; the process that wrote them was killed. */
function withGenerations(work: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'))
  try {
    const journal = Journal.open(directory, undefined, () => {})
    for (const generation of [1, 2, 3]) {
      journal.append(put(`${generation}a`))
      journal.append(put(`${generation}b`))
      if (generation < 3) journal.rotate()
    }
    work(directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const keysOf = (records: Change[][]) => records.flat().map(({ key }) => key)

test('what the database holds already is not replayed over what came later', () =>
  withGenerations((directory) => {
    assert.deepEqual(keysOf(readJournals(directory, undefined).records), ['1a', '1b', '2a', '2b', '3a', '3b'])
    assert.deepEqual(keysOf(readJournals(directory, 2).records), ['3a', '3b'])
    assert.deepEqual(readJournals(directory, 3).records, [])
  }))

test('after a generation that is missing or torn nothing counts any more', () => {
  withGenerations((directory) => {
    rmSync(join(directory, 'journal.2'))
    const { records, stray } = readJournals(directory, 0)
    assert.deepEqual([keysOf(records), stray], [['1a', '1b'], ['journal.3']])
  })
  withGenerations((directory) => {
    truncateSync(join(directory, 'journal.2'), readFileSync(join(directory, 'journal.2')).length - 1)
    const { records, torn, stray } = readJournals(directory, 0)
    assert.deepEqual([keysOf(records), torn[0]?.name, stray], [['1a', '1b', '2a'], 'journal.2', ['journal.3']])
  })
})

test('what is written after a torn end was found counts again', () =>
  withGenerations((directory) => {
    const bytes = readFileSync(join(directory, 'journal.2'))
    writeFileSync(join(directory, 'journal.2'), Buffer.concat([bytes, Buffer.from('torn')]))
    const seen: Change[][] = []
    const journal = Journal.open(directory, undefined, (changes) => seen.push(changes))
    assert.deepEqual(keysOf(seen), ['1a', '1b', '2a', '2b'])
    journal.append(put('later'))
    assert.deepEqual(keysOf(readJournals(directory, undefined).records), ['1a', '1b', '2a', '2b', 'later'])
    journal.dropThrough(journal.rotate())
    journal.append(put('last'))
    assert.deepEqual(keysOf(readJournals(directory, 4).records), ['last'])
    journal.close()
    assert.deepEqual(
      readdirSync(directory).filter((name) => name.startsWith('journal.')),
      ['journal.5'],
    )
  }))

test('a generation without changes leaves no gap', () =>
  withGenerations((directory) => {
    const journal = Journal.open(directory, undefined, () => {})
    journal.rotate()
    journal.rotate()
    journal.append(put('after'))
    for (const name of ['journal.4', 'journal.5']) rmSync(join(directory, name))
    assert.deepEqual(keysOf(readJournals(directory, undefined).records), ['1a', '1b', '2a', '2b', '3a', '3b', 'after'])
  }))
