import assert from 'node:assert/strict'
import test from 'node:test'
import { candidateNames, describePlugin, readMetadata, refuseName } from './cli-plugin.ts'

test('candidates are what is called docker-<name>', () => {
  assert.deepEqual(candidateNames(['docker-a', 'a', 'docker', 'docker-', 'docker-B_c', 'x-docker-y']), ['a', '', 'B_c'])
})

test('names of commands and of no plugin are refused', () => {
  const builtIn = new Set(['ps'])
  assert.equal(refuseName('hello2', builtIn), undefined)
  assert.equal(refuseName('ps', builtIn), 'plugin "ps" duplicates builtin command')
  for (const name of ['', 'Big', '2nd', 'a-b', 'a/b', '..'])
    assert.equal(refuseName(name, builtIn), `plugin candidate "${name}" did not match "^[a-z][a-z0-9]*$"`)
})

test('metadata: what is missing, and what of it is no text', () => {
  const errorOf = (output: string) => readMetadata({ output }).error
  assert.equal(errorOf('{"SchemaVersion":"0.1.0","Vendor":"V"}'), undefined)
  assert.equal(errorOf('{"SchemaVersion":"0.1.0"}'), 'plugin metadata does not define a vendor')
  assert.equal(errorOf('{"SchemaVersion":"0.1.0","Vendor":1}'), 'plugin metadata does not define a vendor')
  assert.equal(errorOf('{"SchemaVersion":"9"}'), 'plugin SchemaVersion "9" is not valid, must be 0.1.0')
  for (const text of ['null', '[]', '3', '{}'])
    assert.equal(errorOf(text), 'plugin SchemaVersion "" is not valid, must be 0.1.0')
  assert.equal(errorOf(' '), 'invalid metadata: unexpected end of JSON input')
  assert.match(errorOf('{') ?? '', /^invalid metadata: /)
  assert.equal(readMetadata({ error: 'exit status 3' }).error, 'failed to fetch metadata: exit status 3')
})

test('as JSON a plugin has no empty fields, to a template it has them all', () => {
  const { metadata, error } = readMetadata({ output: '{"SchemaVersion":"0.1.0","Vendor":"V","URL":""}' })
  const described = describePlugin({ metadata, error, name: 'n', path: '/p', shadowed: [] })
  assert.equal(JSON.stringify(described), '{"SchemaVersion":"0.1.0","Vendor":"V","Name":"n","Path":"/p"}')
  assert.deepEqual([described['Version'], described['Err']], ['', null])
})
