// docs/differences.md says what the parity test knows.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatDifferences } from './harness/format-differences.ts'
import { loadDifferences } from './harness/parity-differences.ts'
import { loadChapters, parseLines } from './harness/parity-lines.ts'
import { parseExchanges } from './harness/golden-http.ts'
import { maskText } from './harness/parity-mask.ts'
import { compareWithListed } from './harness/parity.ts'
import { ROOT } from './harness/root.ts'

test('docs/differences.md is what `make gen` writes', () => {
  assert.equal(readFileSync(join(ROOT, 'docs/differences.md'), 'utf8'), formatDifferences(loadDifferences()))
})

test('each listed difference is of a line that a chapter has, and is listed once for each client', () => {
  const exchanges = parseExchanges(readFileSync(join(ROOT, 'test/golden/http/exchanges.lines'), 'utf8'))
  const lines = new Map([
    ...loadChapters().map(({ name, lines }) => [name, lines.map(({ key }) => key)] as const),
    ['http', [...exchanges.values()].flat().map(({ line }) => line)] as const,
  ])
  const seen = new Set<string>()
  for (const { chapter, line, clients } of loadDifferences()) {
    assert.ok(lines.get(chapter)?.includes(line), `${chapter}: ${line}`)
    for (const client of clients) {
      const one = `${chapter}\0${line}\0${client}`
      assert.ok(!seen.has(one), `twice: ${chapter} ${client}: ${line}`)
      seen.add(one)
    }
  }
})

test('each client is compared with by at least three hundred lines, 28 by seven hundred', () => {
  const count = (client: string) =>
    loadChapters()
      .filter(({ clients }) => clients.includes(client))
      .reduce((sum, { lines }) => sum + lines.length, 0)
  assert.ok(count('20.10') >= 300, `${count('20.10')} lines`)
  assert.ok(count('28') >= 700, `${count('28')} lines`)
})

test('a line says what is run, and how', () => {
  const text =
    "# note\nps -a\nps -a\n$ echo x\n& bg events\nawait bg\nuntil /a b/ logs x\nsort ps\nrun x sh -c 'until true'\n"
  assert.deepEqual(
    parseLines(text)
      .map(({ key, ...line }) => [key, line.script, line])
      .map(([key, script]) => [key, script]),
    [
      ['ps -a', 'docker ps -a'],
      ['ps -a (2)', 'docker ps -a'],
      ['$ echo x', 'echo x'],
      ['& bg events', 'docker events'],
      ['await bg', ''],
      ['until /a b/ logs x', 'docker logs x'],
      ['sort ps', 'docker ps'],
      ["run x sh -c 'until true'", "docker run x sh -c 'until true'"],
    ],
  )
})

test('masks hide what differs from run to run, and nothing else', () => {
  const id = 'a1'.repeat(32)
  assert.equal(maskText(`${id} up`, []), '<id> up')
  assert.equal(maskText('0123456789ab  2 seconds ago   x', []), '<short id>  <age> ago  x')
  assert.equal(maskText('172.17.0.2 172.17.0.1', []), '<address> 172.17.0.1')
  assert.equal(maskText('exit 12   code  3', []), 'exit 12   code  3')
  assert.equal(maskText('/here/file', ['/here']), '<place>/file')
})

test('a difference fails when it is not listed, when its words are others, and when it is gone', () => {
  const listed = (line: string, shows?: string[]) => ({
    ...{ clients: ['28'], chapter: 'c', line, reason: 'bug of the original: x' },
    ...(shows === undefined ? {} : { shows }),
  })
  const found = new Map([
    ['a', ['- x']],
    ['b', ['- x']],
    ['c', ['- x']],
  ])
  const verdict = compareWithListed(found, [listed('a', ['- x']), listed('b', ['- y']), listed('d'), listed('e')])
  assert.deepEqual([...verdict.unlisted.keys()], ['b', 'c'])
  assert.deepEqual(verdict.gone, ['d', 'e'])
  const optional = { ...listed('f'), reason: 'kernel here: x' }
  assert.deepEqual(compareWithListed(new Map(), [optional]).gone, [])
})
