// Prometheus' text format.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatFamilies, Histogram } from './exposition.ts'

test('families are sorted, joined by name, and left out where they are empty', () => {
  const family = (name: string, id: string) =>
    ({ name, help: 'what\nit is \\', type: 'gauge', samples: [{ labels: { b: id, a: 'x' }, value: 1.5 }] }) as const
  assert.equal(
    formatFamilies([
      family('z', '1'),
      family('a', 'say "hi"\n\\'),
      family('z', '2'),
      { ...family('m', ''), samples: [] },
    ]),
    `# HELP a what\\nit is \\\\
# TYPE a gauge
a{a="x",b="say \\"hi\\"\\n\\\\"} 1.5
# HELP z what\\nit is \\\\
# TYPE z gauge
z{a="x",b="1"} 1.5
z{a="x",b="2"} 1.5
`,
  )
})

test('a histogram counts what is at most each limit', () => {
  const histogram = new Histogram()
  for (const seconds of [0.005, 0.02, 3, 100]) histogram.observe(seconds)
  const samples = histogram.samples({ m: 'x' })
  const counts = Object.fromEntries(samples.map(({ suffix, labels, value }) => [labels['le'] ?? suffix, value]))
  assert.deepEqual(
    [counts['0.005'], counts['0.01'], counts['0.025'], counts['2.5'], counts['5'], counts['10'], counts['+Inf']],
    [1, 1, 2, 2, 3, 3, 4],
  )
  assert.deepEqual([counts['_count'], counts['_sum']], [4, 103.025])
})
