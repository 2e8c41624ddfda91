import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOOL, decodeGo, each, INTEGER, list, map, STRING, struct, WORDS } from './go-json.ts'

const INNER = struct('container.Inner', { Depth: INTEGER, Names: list(STRING) })
const OUTER = struct('Outer', {
  ...each(STRING, 'Name Image'),
  On: BOOL,
  Cmd: WORDS,
  Inner: INNER,
  Inners: list(INNER),
  Labels: map(STRING),
  Ports: map(list(struct('nat.Port', { Host: STRING }))),
  Set: map(struct('struct {}', {})),
})

const ACCEPTED: [what: string, given: string, expected: unknown][] = [
  ['names in any case', '{"name":"a","IMAGE":"b","inner":{"DEPTH":3}}', { Name: 'a', Image: 'b', Inner: { Depth: 3 } }],
  ['the last of two spellings', '{"Name":"a","name":"b"}', { Name: 'b' }],
  ['no unknown fields', '{"Other":[1,{}],"Name":"a"}', { Name: 'a' }],
  [
    'null as absent',
    '{"Name":null,"On":null,"Inner":null,"Labels":null,"Inners":null}',
    { Inner: null, Labels: null, Inners: null },
  ],
  [
    'zero values for null in lists and maps',
    '{"Labels":{"a":null},"Inner":{"Names":[null]},"Set":{"x":null}}',
    { Labels: { a: '' }, Inner: { Names: [''] }, Set: { x: {} } },
  ],
  ['a word for a list of words', '{"Cmd":"ls -l"}', { Cmd: ['ls -l'] }],
  [
    'keys of maps as they are',
    '{"Labels":{"Name":"1","name":"2"},"Ports":{"80":[{"host":"1"}],"81":null}}',
    { Labels: { Name: '1', name: '2' }, Ports: { 80: [{ Host: '1' }], 81: null } },
  ],
]

for (const [what, given, expected] of ACCEPTED)
  test(`takes ${what}`, () => assert.deepEqual(decodeGo(JSON.parse(given), OUTER), expected))

const REFUSED: [given: string, reason: string][] = [
  ['{"name":1}', 'number into Go struct field Outer.Name of type string'],
  ['{"On":"true"}', 'string into Go struct field Outer.On of type bool'],
  ['{"Inner":{"Depth":"x"}}', 'string into Go struct field Outer.Inner.Depth of type int64'],
  ['{"Inner":{"Depth":1.5}}', 'number 1.5 into Go struct field Outer.Inner.Depth of type int64'],
  ['{"Inners":[{"Names":{}}]}', 'object into Go struct field Outer.Inners.Names of type []string'],
  ['{"Inner":[]}', 'array into Go struct field Outer.Inner of type container.Inner'],
  ['{"Labels":{"a":true}}', 'bool into Go struct field Outer.Labels of type string'],
  ['[]', 'array into Go value of type Outer'],
]

for (const [given, reason] of REFUSED)
  test(`refuses ${given}`, () =>
    assert.throws(() => decodeGo(JSON.parse(given), OUTER), {
      code: 'invalid-argument',
      message: `invalid JSON: json: cannot unmarshal ${reason}`,
    }))

test('a key that names an object’s prototype is a key', () => {
  const decoded = decodeGo(JSON.parse('{"Labels":{"__proto__":"x"},"__proto__":{"Name":"y"}}'), OUTER) as {
    Labels: Record<string, string>
  }
  assert.deepEqual(Object.entries(decoded.Labels), [['__proto__', 'x']])
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype)
})
