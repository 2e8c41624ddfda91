// A search in an index that this process serves: Docker Hub's own answers differently to nobody.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { searchIndex, type SearchRequest } from './search-index.ts'

let server: Server
let host: string
let answer: { status: number; body: string; headers?: Record<string, string> }
const asked: { url: string; authorization: string | undefined }[] = []

before(async () => {
  server = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
    if (request.url === '/v1/_ping') return void response.end('true')
    response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function search(more: Partial<SearchRequest> = {}) {
  const { signal } = new AbortController()
  return searchIndex({ term: `${host}/bus y&box`, limit: 7, auth: undefined, insecureRegistries: [], signal, ...more })
}

test('the index that the term names is asked for the rest of it', async () => {
  const results = [
    { name: 'busybox', description: 'small', star_count: 3000, is_official: true, is_automated: true },
    { name: 'me/busybox' },
  ]
  answer = { status: 200, body: JSON.stringify({ num_results: 2, results }) }
  assert.deepEqual(await search({ auth: { username: 'me', password: 'secret' } }), [
    { name: 'busybox', description: 'small', stars: 3000, isOfficial: true },
    { name: 'me/busybox', description: '', stars: 0, isOfficial: false },
  ])
  assert.deepEqual(asked.at(-1), {
    url: '/v1/search?q=bus+y%26box&n=7',
    authorization: `Basic ${Buffer.from('me:secret').toString('base64')}`,
  })
})

test('what is wrong is told in Docker’s words', async () => {
  const cases: [answer: typeof answer, more: Partial<SearchRequest>, message: RegExp][] = [
    [{ status: 503, body: '' }, {}, /^Unexpected status code 503$/],
    [{ status: 200, body: '<html>' }, {}, /^error decoding registry search results: /],
    [{ status: 200, body: '{"results":[{"star_count":"many"}]}' }, {}, /star_count/],
    [{ status: 200, body: '{}' }, { limit: 101 }, /^limit 101 is outside the range of \[1, 100\]$/],
    [{ status: 200, body: '{}' }, { limit: -1 }, /^limit -1 is outside the range of \[1, 100\]$/],
    [
      { status: 200, body: '{}' },
      { term: 'https://x/y' },
      /^invalid repository name: repository name \(https:\/\/x\/y\) should not have a scheme$/,
    ],
    [
      { status: 200, body: '{}' },
      { term: '127.0.0.1:1/x' },
      /^invalid registry endpoint "http:\/\/127\.0\.0\.1:1\/v1\/"\. HTTPS attempt: .*refused\. HTTP attempt: .*refused$/,
    ],
  ]
  for (const [given, more, message] of cases) {
    answer = given
    await assert.rejects(search(more), { name: 'Failure', message })
  }
})
