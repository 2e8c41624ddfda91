import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ROUTES } from '../../api/routes.ts'
import { cleanPath, matchRoute } from './router.ts'

test('every form of a path finds its route and parameters', () => {
  const table: [
    method: string,
    path: string,
    key: string | undefined,
    params?: Record<string, string>,
    version?: string,
  ][] = [
    ['GET', '/_ping', 'GET /_ping'],
    ['HEAD', '/v1.41/_ping', 'HEAD /_ping', {}, '1.41'],
    ['GET', '/containers/json', 'GET /containers/json'],
    ['GET', '/containers/abc/json', 'GET /containers/{id}/json', { id: 'abc' }],
    [
      'GET',
      '/v1.50/images/127.0.0.1:5000/a/b:1/json',
      'GET /images/{name}/json',
      { name: '127.0.0.1:5000/a/b:1' },
      '1.50',
    ],
    ['GET', '/images/json', 'GET /images/json'],
    ['GET', '/images/json/json', 'GET /images/{name}/json', { name: 'json' }],
    ['DELETE', '/images/a/b@sha256:0', 'DELETE /images/{name}', { name: 'a/b@sha256:0' }],
    ['POST', '/exec/1/start', 'POST /exec/{id}/start', { id: '1' }],
    ['DELETE', '/containers/', 'DELETE /containers/{id}', { id: '' }],
    ['PUT', '/containers/json', undefined],
    ['GET', '/v1.41', undefined],
    ['GET', '/v1.41x/info', undefined],
  ]
  for (const [method, path, key, params = {}, version] of table) {
    const match = matchRoute(method, path)
    assert.equal(match?.key, key, path)
    if (match) assert.deepEqual({ params: match.params, version: match.version }, { params, version }, path)
  }
})

test('a path goes to the first route of the table whose pattern it has, whatever its parameters hold', () => {
  const values = ['', 'a', 'a/b', 'json', 'start', 'a/json', '/', 'exec', 'a.b+c', '\n', 'ü/{id}', 'x/archive', '..']
  for (const { method, path } of ROUTES)
    for (const value of values)
      for (const more of ['', '/', '/json', '\n']) {
        const asked = path.replace(/\{\w+\}/g, () => value) + more
        if (/^\/v\d/.test(asked)) continue // the registry's, or of a version
        const first = ROUTES.filter((route) => route.method === method).find((route) =>
          new RegExp(`^${route.path.replace(/[.+]/g, '\\$&').replace(/\{\w+\}/g, '(.*)')}$`, 's').test(asked),
        )
        const exact = ROUTES.find((route) => route.method === method && route.path === asked && !asked.includes('{'))
        const expected = exact ?? first
        const found = matchRoute(method, asked)
        assert.equal(found?.key, expected && `${method} ${expected.path}`, `${method} ${JSON.stringify(asked)}`)
        const names = [...(expected?.path ?? '').matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        assert.deepEqual(Object.keys(found?.params ?? {}), names)
        if (found === undefined || expected === undefined) continue
        const again = expected.path.replace(/\{(\w+)\}/g, (_, name: string) => found.params[name] ?? '')
        assert.equal(again, asked)
      }
})

test('a clean path has no empty and no dot segments', () => {
  const table: [path: string, clean: string][] = [
    ['/a/b', '/a/b'],
    ['//a', '/a'],
    ['/a//b/', '/a/b/'],
    ['/a/../b', '/b'],
    ['/../..', '/'],
    ['/a/./b', '/a/b'],
    ['/a/..b/c', '/a/..b/c'],
  ]
  for (const [path, clean] of table) assert.equal(cleanPath(path), clean)
})
