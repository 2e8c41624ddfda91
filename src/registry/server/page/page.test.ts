// The page as the server gives it: to whom, with which headers, and what changes for everybody else when it is on.
import assert from 'node:assert/strict'
import { hashSync } from 'bcryptjs'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { manifestOf, openTestRegistry, pushImage } from '../../../../test/harness/our-registry.ts'
import { REGISTRY_PAGE } from '../../../gen/registry-page.ts'
import { parseConfig } from '../config/parse-config.ts'
import { Page } from './page.ts'

const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const ON = { http: { addr: '127.0.0.1:0', page: { enabled: true } } }
const IMAGE = manifestOf([Buffer.from('{"architecture":"amd64"}'), Buffer.from('layer')])

test('without the setting there is no page, and no answer is another than before', async () => {
  await using registry = await openTestRegistry()
  for (const path of ['/', '/page/page.js', '/page/page.css'])
    assert.equal((await fetch(`${registry.url}${path}`, { headers: HTML })).status, 404, path)
  const { headers } = await fetch(`${registry.url}/v2/`)
  assert.deepEqual([headers.get('x-content-type-options'), headers.get('content-security-policy')], [null, null])
})

test('the page is for who asks for HTML by name, with GET or HEAD, and nowhere below /v2/', async () => {
  await using registry = await openTestRegistry(ON)
  const status = async (path: string, method: string, headers: Record<string, string>) =>
    (await fetch(`${registry.url}${path}`, { method, headers })).status
  assert.equal(await status('/', 'GET', HTML), 200)
  assert.equal(await status('/', 'HEAD', HTML), 200)
  assert.equal(await status('/', 'POST', HTML), 404)
  assert.equal(await status('/', 'GET', { accept: '*/*' }), 404)
  assert.equal(await status('/', 'GET', { accept: 'text/html;q=0' }), 404)
  assert.equal(await status('/page/', 'GET', HTML), 404)
  assert.equal(await status('/page/page.html', 'GET', HTML), 404)
  const base = await fetch(`${registry.url}/v2/`, { headers: HTML })
  assert.deepEqual([base.headers.get('content-type'), await base.text()], ['application/json', '{}'])
  const page = await fetch(`${registry.url}/`, { headers: HTML })
  assert.equal(page.headers.get('content-type'), 'text/html; charset=utf-8')
  assert.match(await page.text(), /^<!doctype html>/)
  // Programs that take anything are no browsers.
  const script = await fetch(`${registry.url}/page/page.js`)
  assert.equal(script.headers.get('content-type'), 'text/javascript; charset=utf-8')
  assert.equal(await script.text(), REGISTRY_PAGE.script)
})

test('the document has no script, no style and no handler in itself, and its policy allows none', async () => {
  await using registry = await openTestRegistry(ON)
  const { headers } = await fetch(`${registry.url}/`, { headers: HTML })
  const policy = (headers.get('content-security-policy') ?? '').split('; ')
  for (const directive of [
    ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'"],
    ...["form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'"],
  ])
    assert.ok(policy.includes(directive), directive)
  assert.ok(!policy.some((directive) => /unsafe|\*|https?:|data:/.test(directive)))
  assert.equal(headers.get('x-content-type-options'), 'nosniff')
  assert.equal(headers.get('referrer-policy'), 'no-referrer')
  assert.doesNotMatch(REGISTRY_PAGE.html, /<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?:|\/\//)
  assert.doesNotMatch(REGISTRY_PAGE.script, /innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(/)
})

test('files are asked for again and sent only where they are others', async () => {
  await using registry = await openTestRegistry(ON)
  for (const path of ['/', '/page/page.js', '/page/page.css', '/page/icon.svg']) {
    const first = await fetch(`${registry.url}${path}`, { headers: HTML })
    assert.equal(first.headers.get('cache-control'), 'no-cache')
    const etag = first.headers.get('etag') ?? ''
    assert.ok((await first.arrayBuffer()).byteLength > 0)
    const again = await fetch(`${registry.url}${path}`, { headers: { ...HTML, 'if-none-match': `"x", W/${etag}` } })
    assert.equal(again.status, 304, path)
    assert.match(again.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    const other = await fetch(`${registry.url}${path}`, { headers: { ...HTML, 'if-none-match': '"x"' } })
    assert.equal(other.status, 200, path)
  }
})

test('with a prefix the page is below it, and names its files from there', async () => {
  const http = { ...ON.http, prefix: '/images/' }
  await using registry = await openTestRegistry({ http })
  assert.equal((await fetch(`${registry.url}/`, { headers: HTML })).status, 404)
  const page = await fetch(`${registry.url}/images/`, { headers: HTML })
  const names = [...(await page.text()).matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, name = '']) => name)
  assert.equal(names.length, 3)
  for (const name of names) assert.equal((await fetch(new URL(name, `${registry.url}/images/`))).status, 200, name)
})

/** Without a registry around it: the head and the document that a configuration makes. */
function pageOf(parts: object): { headers: Record<string, string>; body: string } {
  const page = new Page(parseConfig(JSON.stringify({ version: 0.1, storage: { inmemory: {} }, ...parts })))
  const given = { headers: {}, body: '' }
  const response = {
    writeHead: (_: number, headers: Record<string, string>) => Object.assign(given, { headers }),
    end: (bytes: Buffer) => Object.assign(given, { body: bytes.toString() }),
  }
  type Answer = Parameters<Page['answer']>
  const request = { method: 'GET', headers: HTML } as unknown as Answer[0]
  assert.ok(page.answer(request, response as unknown as Answer[1], '/'))
  return given
}

test('the document says what the API does not: whether anything is deleted, and the name that clients know', () => {
  const marks = (parts: object) => /data-deletes="[^"]*" data-host="[^"]*"/.exec(pageOf(parts).body)?.[0]
  const http = { addr: ':1', host: 'https://r.example.org:8443' }
  const storage = { inmemory: {}, delete: { enabled: true } }
  assert.equal(marks({ http, storage }), 'data-deletes="true" data-host="r.example.org:8443"')
  assert.equal(marks({ http: { addr: ':1' } }), 'data-deletes="false" data-host=""')
  const maintenance = { readonly: { enabled: true } }
  assert.match(marks({ http, storage: { ...storage, maintenance } }) ?? '', /data-deletes="false"/)
})

test('tokens may come from the address that the configuration names, and no other', () => {
  const token = { realm: 'https://tokens.example.org/token', service: 's', issuer: 'i', jwks: '/none' }
  const { headers } = pageOf({ http: { addr: ':1' }, auth: { token } })
  assert.match(headers['content-security-policy'] ?? '', /connect-src 'self' https:\/\/tokens\.example\.org(?:;|$)/)
})

test('with a page a change that another site asks for is refused, and one that no browser asks for is not', async () => {
  await using registry = await openTestRegistry(ON)
  const { host } = new URL(registry.url)
  /** fetch() would write some of these headers itself. */
  const ask = (method: string, headers: Record<string, string>) =>
    new Promise<number>((resolve, reject) => {
      const address = `${registry.url}/v2/a/manifests/latest`
      const asked = request(address, { method, headers }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      asked.on('error', reject).end()
    })
  const cases: readonly (readonly [Record<string, string>, number])[] = [
    [{}, 202],
    [{ 'sec-fetch-site': 'same-origin', origin: registry.url }, 202],
    [{ 'sec-fetch-site': 'cross-site', origin: registry.url }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ origin: `http://${host}` }, 202],
    [{ origin: 'http://example.org' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'http://public.example.org', 'x-forwarded-host': 'public.example.org' }, 202],
  ]
  for (const [headers, status] of cases) {
    await pushImage(registry.url, 'a', 'latest', IMAGE)
    assert.equal(await ask('DELETE', headers), status, JSON.stringify(headers))
    assert.equal(await ask('GET', headers), status === 202 ? 404 : 200, JSON.stringify(headers))
  }
})

test('a browser that asks for itself is not made to ask for a password, everybody else gets the challenge', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-page-'))
  try {
    const path = join(directory, 'htpasswd')
    writeFileSync(path, `alice:${hashSync('secret', 4)}\n`)
    await using registry = await openTestRegistry({ ...ON, auth: { htpasswd: { realm: 'ours', path } } })
    const challenge = async (headers: Record<string, string>) =>
      (await fetch(`${registry.url}/v2/`, { headers })).headers.get('www-authenticate')
    assert.equal(await challenge({}), 'Basic realm="ours"')
    assert.equal(await challenge({ 'x-requested-with': 'XMLHttpRequest' }), 'xBasic realm="ours"')
    assert.equal((await fetch(`${registry.url}/`, { headers: HTML })).status, 200)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
