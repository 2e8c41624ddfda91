import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseFilters } from './filters.ts'
import { isTrue, parseInteger } from './query.ts'

const parse = (filters: string) => parseFilters(new URLSearchParams({ filters }))

test('both forms of filters are read', () => {
  for (const text of ['{"name":{"web":true,"db":true}}', '{"name":["web","db"]}']) {
    const filters = parse(text)
    assert.deepEqual(filters.get('name'), ['web', 'db'])
    assert.ok(filters.exact('name', 'db'))
    assert.ok(!filters.exact('name', 'other'))
    assert.ok(filters.exact('absent', 'anything'))
  }
})

test('values are alternatives, labels must all hold', () => {
  const filters = parse('{"label":["a","b=1"],"id":["ab","cd"],"name":["^w.b$"]}')
  assert.ok(filters.labels('label', { a: 'x', b: '1' }))
  assert.ok(!filters.labels('label', { a: 'x', b: '2' }))
  assert.ok(!filters.labels('label', { toString: '', b: '1' }))
  assert.ok(filters.prefix('id', 'cdef') && !filters.prefix('id', 'ef'))
  assert.ok(filters.pattern('name', 'web') && !filters.pattern('name', 'webs'))
})

test('what is not a filter is refused in the words that clients know', () => {
  for (const text of ['foo', '[]', '"x"', '{"a":1}', '{"a":[1]}', '{"a":{"b":1}}'])
    assert.throws(() => parse(text), { code: 'invalid-argument', message: 'invalid filter' }, text)
  assert.throws(() => parse('{"foo":["x"]}').check(['bar']), { message: "invalid filter 'foo'" })
  assert.throws(() => parse('{"dangling":["x"]}').boolean('dangling', false), {
    message: "invalid filter 'dangling=[x]'",
  })
  assert.equal(parse('{"dangling":["1"]}').boolean('dangling', false), true)
  assert.equal(parse('').boolean('dangling', true), true)
  assert.throws(() => parse(JSON.stringify({ name: Array.from({ length: 2000 }, (_, i) => `${i}`) })), /too many/)
})

test('booleans and integers of a query follow Docker', () => {
  const query = new URLSearchParams('a=1&b=False&c=&d=none&e=yes&f= no &n=-3&x=a&y=99999999999999999999')
  assert.deepEqual(
    ['a', 'b', 'c', 'd', 'e', 'f', 'absent'].map((name) => isTrue(query, name)),
    [true, false, false, false, true, false, false],
  )
  assert.equal(isTrue(query, 'absent', true), true)
  assert.equal(parseInteger(query, 'n'), -3)
  assert.equal(parseInteger(query, 'c'), undefined)
  assert.throws(() => parseInteger(query, 'x'), { message: 'strconv.Atoi: parsing "a": invalid syntax' })
  assert.throws(() => parseInteger(query, 'y'), /value out of range/)
})

test('a pattern that makes a backtracking engine hang takes no time', () => {
  const start = performance.now()
  assert.ok(!parse('{"name":["^(a+)+$"]}').pattern('name', `${'a'.repeat(200)}!`))
  assert.ok(performance.now() - start < 1000)
})
