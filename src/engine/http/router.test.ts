import assert from 'node:assert/strict'
import { test } from 'node:test'
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
