import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileLinearPattern } from './linear-pattern.ts'

test('patterns mean what they mean in Go', () => {
  const cases: [pattern: string, matches: string[], others: string[]][] = [
    ['^web', ['web-1'], ['my-web']],
    ['^/?[a-z]+_[0-9]{1,3}$', ['/app_12'], ['app_1234']],
    ['^[a-f0-9]{64}$', ['a0'.repeat(32)], ['a0'.repeat(31), 'a0'.repeat(33)]],
    ['^x{2,40}y$', [`${'x'.repeat(40)}y`, 'xxy'], ['xy', `${'x'.repeat(41)}y`]],
    ['^x{20,}$', ['x'.repeat(20), 'x'.repeat(99)], ['x'.repeat(19)]],
    ['(?i)^WEB\\S[A-C]$', ['web-b', 'Web-C'], ['web b', 'web-d']],
    ['(?:a|b)+c', ['ababc'], ['abab']],
  ]
  for (const [pattern, matches, others] of cases) {
    for (const text of matches) assert.ok(compileLinearPattern(pattern).test(text), `${pattern} ${text}`)
    for (const text of others) assert.ok(!compileLinearPattern(pattern).test(text), `${pattern} ${text}`)
  }
})

test('what has no linear way is refused', () => {
  for (const pattern of ['(a)\\1', '(?=a)', '(?<!a)b', '(', 'a{2000}', '((a{16}){16}){16}', 'a'.repeat(20_000)])
    assert.throws(() => compileLinearPattern(pattern), { code: 'invalid-argument' }, pattern.slice(0, 40))
})

// Without the linear engine (`new RegExp(source)` in newLinear) each of these takes longer than anybody waits.
test('patterns that make a backtracking engine hang take no time', () => {
  const start = performance.now()
  for (const pattern of ['^(a+)+$', '^(a|aa)+$', '^(a*)*b$', '^(.*)*x$', '(?i)^(A|a|Aa)*$'])
    assert.ok(!compileLinearPattern(pattern).test(`${'a'.repeat(2000)}!`), pattern)
  assert.ok(performance.now() - start < 2000)
})
