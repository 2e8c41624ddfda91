import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookupIn, parseFilters } from './parse-filter.ts'

const web = lookupIn(
  { name: 'docker.io/library/web:1', id: 'w', empty: '', topic: '/tasks/exit' },
  { a: 'x,y', 'b.c': '1' },
)

const CASES: [filters: string[], matches: boolean][] = [
  [[], true],
  [[''], true],
  [['id==w'], true],
  [['id==v'], false],
  [['id!=v'], true],
  [['missing!=v'], true],
  [['missing!=""'], false],
  [['missing~=^$'], true],
  [['constructor'], false],
  [['labels.constructor'], false],
  [[' id == w, name ~= web'], true],
  [[`${'id==w,'.repeat(3)}id`], true],
  [['id==w,name==v'], false],
  [['id==v', 'id==w'], true],
  [['name~=^docker'], true],
  [['name~="^docker\\\\.io/"'], true],
  [['topic~=|^/tasks/|'], true],
  [['topic~=|^/images/|'], false],
  [['topic~=/exit$/,id==w'], true],
  [['topic~=/\\/tasks\\/exit/'], true],
  [['topic~="\\x2ftasks\\u002fexit"'], true],
  [['id~=('], false],
  [['id'], true],
  [['empty'], false],
  [['missing'], false],
  [['labels.a=="x,y"'], true],
  [['labels."b.c"==1'], true],
  [['labels."b.c"'], true],
  [['labels.z'], false],
  [['name~=(?i)^DOCKER'], true],
]

for (const [filters, matches] of CASES)
  test(`${JSON.stringify(filters)} ${matches ? 'matches' : 'does not match'}`, () => {
    assert.equal(parseFilters(filters)(web), matches)
  })

/** In containerd's words, which name the place. */
const REFUSED: [text: string, words: string][] = [
  ['==x', '[ >|=|< =x]: expected field or quoted'],
  ['a=', '[a >|=|< ]: unsupported operator "="'],
  ['a==', '[a==]: expected value or quoted'],
  ['a==,b', '[a== >|,|< b]: expected value or quoted'],
  ['a=="x', '[a== >|"|< x]: quoted literal not terminated'],
  ['a=="\\d"', '[a== >|"|< \\d"]: illegal escape sequence'],
  ['a=="x"y', '[a=="x" >|y|< ]: unexpected input: y'],
  ['a..b==1', '[a. >|.|< b==1]: expected field or quoted'],
  ['a==1 ,', '[a==1 >| |< ,]: unexpected input:  '],
  ['a<1', '[a >|<|< 1]: expected an operator ("=="|"!="|"~=")'],
  ['a==|x|', '[a== >|||< x|]: invalid quote encountered'],
  ['|a|', '[ >|||< a|]: invalid quote encountered'],
  ['topic~=|^/tasks/(exit|oom)|', '[topic~=|^/tasks/(exit| >|o|< om)|]: unexpected input: o'],
]

for (const [text, words] of REFUSED)
  test(`${JSON.stringify(text)} is refused`, () => {
    const message = `filters: parse error: ${words}: invalid argument`
    assert.throws(() => parseFilters([text]), { code: 'invalid-argument', message })
  })

test('a filter that is too long is refused', () => {
  assert.throws(() => parseFilters([`a==${'x'.repeat(5000)}`]), { code: 'invalid-argument' })
})

test('a pattern that makes a backtracking engine hang takes no time', () => {
  const start = performance.now()
  assert.ok(!parseFilters(['id~=/^(a+)+$/'])(() => `${'a'.repeat(5000)}!`))
  assert.ok(!parseFilters(['id~="(a)\\\\1"'])(() => 'aa'))
  assert.ok(performance.now() - start < 1000)
})
