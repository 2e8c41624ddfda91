// What S3 answers that the server of the other tests does not: multipart uploads in several pages, with their times.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { newUploadId, type RepositoryName } from '../names.ts'
import { uploadPath } from './layout.ts'
import { S3Store } from './s3-store.ts'

const BEFORE = Date.parse('2026-01-02T00:00:00.000Z')
const upload = (key: string, id: string, at: string) =>
  `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${at}</Initiated></Upload>`
const PAGES: Readonly<Record<string, string>> = {
  '': `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>p/docker/a&amp;b</NextKeyMarker>
    <NextUploadIdMarker>2+/=</NextUploadIdMarker>${upload('p/docker/a&amp;b', '1', '2026-01-01T00:00:00.000Z')}
    ${upload('p/docker/a&amp;b', '2+/=', '2026-01-01T23:59:59.999Z')}</ListMultipartUploadsResult>`,
  'p/docker/a&b 2+/=': `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>
    ${upload('p/docker/c', '3', '2026-01-02T00:00:00.000Z')}${upload('p/docker/d', '4', '2025-01-01T00:00:00.000Z')}
    </ListMultipartUploadsResult>`,
}

test('multipart uploads that are old are aborted, of every page; young ones are somebody’s', async () => {
  const deleted: string[] = []
  await using bucket = await serve((method, url) => {
    if (method === 'DELETE') deleted.push(`${url.pathname} ${url.searchParams.get('uploadId')}`)
    if (!url.searchParams.has('uploads')) return '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
    assert.equal(url.searchParams.get('prefix'), 'p/docker/registry/v2/')
    const marker = [url.searchParams.get('key-marker'), url.searchParams.get('upload-id-marker')].join(' ').trim()
    return PAGES[marker] ?? assert.fail(marker)
  })
  assert.equal(await bucket.store.removeLeftovers(BEFORE), 3)
  assert.deepEqual(deleted, ['/b/p/docker/a%26b 1', '/b/p/docker/a%26b 2+/=', '/b/p/docker/d 4'])
})

test('objects of an upload whose removal was begun go; those of one that is there do not', async () => {
  const [gone, there] = [newUploadId(), newUploadId()]
  const path = (id: typeof gone) => `p/${uploadPath('a' as RepositoryName, id)}`
  const old = (
    key: string,
  ) => `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag>
    <Size>1</Size></Contents>`
  const folder = (name: string) => `<CommonPrefixes><Prefix>${name}/</Prefix></CommonPrefixes>`
  const base = 'p/docker/registry/v2/repositories'
  const lists: Readonly<Record<string, string>> = {
    [`${base}/`]: folder(`${base}/a`),
    [`${base}/a/`]: folder(`${base}/a/_uploads`),
    [`${base}/a/_uploads/`]: folder(path(gone)) + folder(path(there)),
    [`${path(gone)}/`]: old(`${path(gone)}/parts/0`),
    [`${path(there)}/`]: old(`${path(there)}/parts/0`),
  }
  const deleted: string[] = []
  await using bucket = await serve((method, url) => {
    if (method === 'DELETE') deleted.push(url.pathname)
    if (method === 'HEAD') return url.pathname === `/b/${path(there)}/startedat` ? '' : undefined
    const found = lists[url.searchParams.get('prefix') ?? '']
    return `<ListBucketResult><IsTruncated>false</IsTruncated>${url.searchParams.has('uploads') ? '' : found}</ListBucketResult>`
  })
  assert.equal(await bucket.store.removeLeftovers(BEFORE), 1)
  assert.deepEqual(deleted, [`/b/${path(gone)}/parts/0`])
})

/** Answers with what `answer` gives; undefined is 404. */
async function serve(answer: (method: string, url: URL) => string | undefined) {
  const server = createServer((request, response) => {
    const text = answer(request.method ?? '', new URL(`http://s3${request.url}`))
    response.writeHead(text === undefined ? 404 : request.method === 'DELETE' ? 204 : 200)
    response.end(request.method === 'HEAD' || request.method === 'DELETE' ? undefined : text)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const keys = { accessKey: 'a', secretKey: 's', sessionToken: undefined }
  const kind = { storageClass: undefined, encryption: undefined, kmsKey: undefined }
  const place = { bucket: 'b', region: 'us-east-1', endpoint, pathStyle: true, prefix: 'p/' }
  return {
    store: new S3Store({ ...place, ...keys, ...kind }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}
