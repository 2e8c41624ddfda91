import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hierarchies } from './parse-hierarchies.ts'
import { cleanGroupPath, parseOwnGroups, placeGroup, subgroupOf } from './place-group.ts'

const ROOT = '/sys/fs/cgroup'
const named = (name: string, controllers: string[], title?: string) => ({
  name,
  controllers,
  title,
  mountpoint: `${ROOT}/${name}`,
  root: '/',
})
const HYBRID: Hierarchies = {
  v1: [named('cpu,cpuacct', ['cpu', 'cpuacct']), named('memory', ['memory']), named('systemd', [], 'name=systemd')],
  unified: `${ROOT}/unified`,
  unifiedRoot: '/',
}
const UNIFIED: Hierarchies = { v1: [], unified: ROOT, unifiedRoot: '/' }
const OWN = '4:memory:/api/one\n3:cpu,cpuacct:/\n2:name=systemd:/user.slice\n0::/user.slice/session.scope\n'

test('whatever a path says, it stays below where it starts', () => {
  const cases: [string, string][] = [
    ['/docker/abc', '/docker/abc'],
    ['/docker/abc/', '/docker/abc'],
    ['/a//b/./c', '/a/b/c'],
    ['/a/../../../b', '/b'],
    ['/../..', '/'],
    ['a/b', 'a/b'],
    ['../../a', 'a'],
    ['a/../../..', ''],
    ['', ''],
    ['..', ''],
  ]
  for (const [path, expected] of cases) assert.equal(cleanGroupPath(path), expected, path)
  for (const path of ['/a\0b', `/${'x'.repeat(256)}`])
    assert.throws(() => cleanGroupPath(path), { code: 'invalid-argument', message: /^linux\.cgroupsPath: / })
})

test('an absolute path is the same in every hierarchy', () => {
  const places = placeGroup(HYBRID, 1, '/docker/abc', OWN)
  assert.equal(places.path, '/docker/abc')
  assert.deepEqual(
    places.v1.map(({ keys, directory }) => [keys.join(), directory]),
    [
      ['cpu,cpuacct', `${ROOT}/cpu,cpuacct/docker/abc`],
      ['memory', `${ROOT}/memory/docker/abc`],
      ['name=systemd', `${ROOT}/systemd/docker/abc`],
    ],
  )
  assert.equal(places.unified, `${ROOT}/unified/docker/abc`)
  assert.equal(placeGroup(UNIFIED, 2, '/docker/abc', OWN).unified, `${ROOT}/docker/abc`)
})

test('a relative path starts at the own group of each hierarchy, with v2 beside it', () => {
  const places = placeGroup(HYBRID, 1, 'abc', OWN)
  assert.deepEqual(
    places.v1.map(({ directory }) => directory),
    [`${ROOT}/cpu,cpuacct/abc`, `${ROOT}/memory/api/one/abc`, `${ROOT}/systemd/user.slice/abc`],
  )
  assert.equal(places.unified, `${ROOT}/unified/user.slice/session.scope/abc`)
  const unified = placeGroup(UNIFIED, 2, 'abc', OWN)
  assert.equal(unified.path, '/user.slice/abc')
  assert.equal(unified.unified, `${ROOT}/user.slice/abc`)
})

test('in a container that sees only its own part, paths start there', () => {
  const inside: Hierarchies = { ...HYBRID, v1: HYBRID.v1.map((hierarchy) => ({ ...hierarchy, root: '/api' })) }
  assert.deepEqual(
    placeGroup(inside, 1, 'abc', OWN).v1.map(({ directory }) => directory),
    [`${ROOT}/cpu,cpuacct/abc`, `${ROOT}/memory/one/abc`, `${ROOT}/systemd/abc`],
  )
})

test('the root of a hierarchy, or the own group, is no group for a container', () => {
  for (const path of ['/', ''])
    assert.throws(() => placeGroup(HYBRID, 1, path, OWN), {
      code: 'invalid-argument',
      message: 'linux.cgroupsPath: names no group of its own',
    })
})

test('own groups are found by controller and by title', () => {
  const own = parseOwnGroups(`${OWN}5:odd:/with:colon\nnonsense\n`)
  assert.equal(own.get('cpuacct'), '/')
  assert.equal(own.get('name=systemd'), '/user.slice')
  assert.equal(own.get(''), '/user.slice/session.scope')
  assert.equal(own.get('odd'), '/with:colon')
  assert.equal(own.size, 6)
})

test('a group below is below', () => {
  assert.equal(subgroupOf('/g', ''), '/g')
  assert.equal(subgroupOf('/g', '/'), '/g')
  assert.equal(subgroupOf('/g', '/a/b'), '/g/a/b')
  assert.equal(subgroupOf('/g', 'a/../b'), '/g/b')
  for (const path of ['..', '/../h', 'a/../../g2', '../gg', 'a\0'])
    assert.throws(() => subgroupOf('/g', path), { message: /^bad sub cgroup path: / }, path)
})
