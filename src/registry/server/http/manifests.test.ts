// Manifests, tags, referrers and lists over HTTP.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  manifestOf,
  openTestRegistry,
  pushBlob,
  pushImage,
  putManifest,
} from '../../../../test/harness/our-registry.ts'
import { digestOf } from '../../../oci/digest.ts'
import { MEDIA_TYPE } from '../../../oci/media-type.ts'

const IMAGE = manifestOf([Buffer.from('{"architecture":"amd64"}'), Buffer.from('layer')])

async function codeOf(response: Response): Promise<[number, string]> {
  const body = (await response.json()) as { errors: { code: string }[] }
  return [response.status, body.errors[0]?.code ?? '']
}

test('a manifest is given back byte for byte, by tag and by digest', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const spaced = manifestOf(IMAGE.blobs, { annotations: { a: 'b' } })
  const bytes = Buffer.from(spaced.bytes.toString().replace('{', '{\n  '))
  for (const blob of IMAGE.blobs) await pushBlob(url, 'a', blob)
  const put = await putManifest(url, 'a', 'latest', bytes)
  const digest = digestOf(bytes)
  assert.deepEqual([put.status, put.headers.get('docker-content-digest')], [201, digest])
  assert.equal(put.headers.get('location'), `${url}/v2/a/manifests/${digest}`)
  for (const reference of ['latest', digest, digest.replace(':', '%3A')]) {
    const got = await fetch(`${url}/v2/a/manifests/${reference}`)
    assert.equal(got.headers.get('content-type'), MEDIA_TYPE.ociManifest)
    assert.equal(got.headers.get('docker-content-digest'), digest)
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes)
    const head = await fetch(`${url}/v2/a/manifests/${reference}`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(bytes.length)])
  }
  const cached = await fetch(`${url}/v2/a/manifests/latest`, { headers: { 'if-none-match': `"${digest}"` } })
  assert.equal(cached.status, 304)
})

test('a manifest whose parts are not all there is refused and not kept', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  await pushBlob(url, 'a', IMAGE.blobs[0]!)
  await pushBlob(url, 'elsewhere', IMAGE.blobs[1]!)
  assert.deepEqual(await codeOf(await putManifest(url, 'a', 'latest', IMAGE.bytes)), [400, 'MANIFEST_BLOB_UNKNOWN'])
  assert.deepEqual(await codeOf(await fetch(`${url}/v2/a/manifests/latest`)), [404, 'MANIFEST_UNKNOWN'])
  assert.deepEqual(await codeOf(await fetch(`${url}/v2/a/manifests/${IMAGE.digest}`)), [404, 'MANIFEST_UNKNOWN'])
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [{ mediaType: MEDIA_TYPE.ociManifest, digest: IMAGE.digest, size: IMAGE.bytes.length }],
    }),
  )
  assert.deepEqual(await codeOf(await putManifest(url, 'a', 'all', index, MEDIA_TYPE.ociIndex)), [
    400,
    'MANIFEST_BLOB_UNKNOWN',
  ])
  await using trusting = await openTestRegistry({ validation: { disabled: true } })
  assert.equal((await putManifest(trusting.url, 'a', 'all', index, MEDIA_TYPE.ociIndex)).status, 201)
})

test('what is no manifest is refused', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const put = async (body: string | Buffer, type?: string, reference = 'latest') =>
    codeOf(await putManifest(url, 'a', reference, Buffer.from(body), type))
  assert.deepEqual(await put('{'), [400, 'MANIFEST_INVALID'])
  assert.deepEqual(await put('[]'), [400, 'MANIFEST_INVALID'])
  assert.deepEqual(await put('{}', 'text/plain'), [400, 'MANIFEST_INVALID'])
  assert.deepEqual(await put(IMAGE.bytes, MEDIA_TYPE.ociIndex), [400, 'MANIFEST_INVALID'])
  assert.deepEqual(await put(IMAGE.bytes, MEDIA_TYPE.dockerManifest), [400, 'MANIFEST_INVALID'])
  assert.deepEqual(await put(IMAGE.bytes, undefined, digestOf('other')), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await put(IMAGE.bytes, undefined, 'sha256:1'), [400, 'DIGEST_INVALID'])
  assert.deepEqual(await put(IMAGE.bytes, undefined, '-x'), [400, 'TAG_INVALID'])
  const large = Buffer.alloc(4 * 1024 * 1024 + 1, 0x20)
  assert.deepEqual(await put(large), [413, 'MANIFEST_INVALID'])
})

test('layers with addresses of their own need not be there', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const foreign = {
    mediaType: MEDIA_TYPE.dockerForeignLayer,
    digest: digestOf('far away'),
    size: 8,
    urls: ['https://x'],
  }
  const [config] = IMAGE.blobs
  const base = JSON.parse(manifestOf([config!]).bytes.toString()) as object
  await pushBlob(url, 'a', config!)
  assert.equal(
    (await putManifest(url, 'a', 'x', Buffer.from(JSON.stringify({ ...base, layers: [foreign] })))).status,
    201,
  )
})

test('a client that can read images only gets an image out of a Docker list', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const image = manifestOf(IMAGE.blobs, { mediaType: MEDIA_TYPE.dockerManifest })
  for (const blob of image.blobs) await pushBlob(url, 'a', blob)
  assert.equal((await putManifest(url, 'a', image.digest, image.bytes, MEDIA_TYPE.dockerManifest)).status, 201)
  const platform = { os: 'linux', architecture: 'amd64' }
  const entry = { mediaType: MEDIA_TYPE.dockerManifest, digest: image.digest, size: image.bytes.length, platform }
  const list = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.dockerList, manifests: [entry] }))
  assert.equal((await putManifest(url, 'a', 'list', list, MEDIA_TYPE.dockerList)).status, 201)
  const get = async (accept: string) => {
    const response = await fetch(`${url}/v2/a/manifests/list`, { headers: { accept } })
    return [response.status, response.headers.get('content-type')]
  }
  assert.deepEqual(await get('*/*'), [200, MEDIA_TYPE.dockerList])
  assert.deepEqual(await get(`${MEDIA_TYPE.dockerManifest}, ${MEDIA_TYPE.dockerList}`), [200, MEDIA_TYPE.dockerList])
  assert.deepEqual(await get(MEDIA_TYPE.dockerManifest), [200, MEDIA_TYPE.dockerManifest])
  assert.deepEqual(await get('text/html'), [200, MEDIA_TYPE.dockerList])
  await pushImage(url, 'a', 'oci', IMAGE)
  const oci = await fetch(`${url}/v2/a/manifests/oci`, { headers: { accept: MEDIA_TYPE.dockerManifest } })
  assert.deepEqual(await codeOf(oci), [404, 'MANIFEST_UNKNOWN'])
})

test('tags are listed in order and in pages, and go alone or with their manifest', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  for (const tag of ['c', 'a', 'B', 'b', '1']) await pushImage(url, 'a/b', tag, IMAGE)
  const list = async (query: string) => {
    const response = await fetch(`${url}/v2/a/b/tags/list${query}`)
    return [((await response.json()) as { tags: string[] }).tags, response.headers.get('link')] as const
  }
  assert.deepEqual(await list(''), [['1', 'B', 'a', 'b', 'c'], null])
  assert.deepEqual(await list('?n=2'), [['1', 'B'], '</v2/a/b/tags/list?last=B&n=2>; rel="next"'])
  assert.deepEqual(await list('?last=B&n=2'), [['a', 'b'], '</v2/a/b/tags/list?last=b&n=2>; rel="next"'])
  assert.deepEqual(await list('?last=b&n=2'), [['c'], null])
  assert.deepEqual(await list('?last=bb'), [['c'], null])
  assert.deepEqual(await list('?n=0'), [[], null])
  assert.deepEqual(await codeOf(await fetch(`${url}/v2/a/b/tags/list?n=-1`)), [400, 'PAGINATION_NUMBER_INVALID'])
  assert.deepEqual(await codeOf(await fetch(`${url}/v2/nothing/tags/list`)), [404, 'NAME_UNKNOWN'])
  const remove = (reference: string) => fetch(`${url}/v2/a/b/manifests/${reference}`, { method: 'DELETE' })
  assert.equal((await remove('c')).status, 202)
  assert.deepEqual(await codeOf(await remove('c')), [404, 'MANIFEST_UNKNOWN'])
  assert.equal((await fetch(`${url}/v2/a/b/manifests/${IMAGE.digest}`)).status, 200)
  assert.equal((await remove(IMAGE.digest)).status, 202)
  assert.deepEqual(await list(''), [[], null])
  assert.equal((await fetch(`${url}/v2/a/b/manifests/a`)).status, 404)
})

test('the catalogue lists repositories in pages', async () => {
  await using registry = await openTestRegistry({ catalog: { maxentries: 3 } })
  const { url } = registry
  for (const name of ['b', 'a', 'a/c', 'a-b']) await pushImage(url, name, 'latest', IMAGE)
  await pushBlob(url, 'blobs-only', Buffer.from('x'))
  const list = async (query: string) => {
    const response = await fetch(`${url}/v2/_catalog${query}`)
    return [((await response.json()) as { repositories: string[] }).repositories, response.headers.get('link')] as const
  }
  assert.deepEqual(await list(''), [['a', 'a-b', 'a/c'], '</v2/_catalog?last=a%2Fc&n=3>; rel="next"'])
  assert.deepEqual(await list('?last=a%2Fc&n=3'), [['b'], null])
  assert.deepEqual(await codeOf(await fetch(`${url}/v2/_catalog?n=4`)), [400, 'PAGINATION_NUMBER_INVALID'])
})

test('what refers to a manifest is listed, also before that is there, by type if asked', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const list = async (query = '') => {
    const response = await fetch(`${url}/v2/a/referrers/${IMAGE.digest}${query}`)
    assert.equal(response.headers.get('content-type'), MEDIA_TYPE.ociIndex)
    const { manifests } = (await response.json()) as { manifests: { digest: string; artifactType?: string }[] }
    return { found: manifests.map(({ digest, artifactType }) => [digest, artifactType]), headers: response.headers }
  }
  assert.deepEqual((await list()).found, [])
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: IMAGE.digest, size: IMAGE.bytes.length }
  const [one, two] = ['sbom', 'signature'].map((kind) =>
    manifestOf(IMAGE.blobs, { subject, artifactType: `application/${kind}`, annotations: { kind } }),
  )
  for (const blob of IMAGE.blobs) await pushBlob(url, 'a', blob)
  for (const each of [one!, two!]) {
    const put = await putManifest(url, 'a', each.digest, each.bytes)
    assert.deepEqual([put.status, put.headers.get('oci-subject')], [201, IMAGE.digest])
  }
  assert.equal((await list()).found.length, 2)
  const filtered = await list('?artifactType=application/sbom')
  assert.deepEqual(filtered.found, [[one!.digest, 'application/sbom']])
  assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType')
  await fetch(`${url}/v2/a/manifests/${one!.digest}`, { method: 'DELETE' })
  assert.deepEqual((await list()).found, [[two!.digest, 'application/signature']])
})

test('referrers come in pages, of as many as were asked for and of one kind', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: IMAGE.digest, size: IMAGE.bytes.length }
  for (const blob of IMAGE.blobs) await pushBlob(url, 'a', blob)
  const [sboms, others] = ['sbom', 'other'].map((kind) =>
    Array.from({ length: 5 }, (_, at) =>
      manifestOf(IMAGE.blobs, { subject, artifactType: `application/${kind}+json`, annotations: { at: String(at) } }),
    ),
  )
  for (const each of [...sboms!, ...others!]) await putManifest(url, 'a', each.digest, each.bytes)
  const walk = async (query: string) => {
    const pages: string[][] = []
    for (let next = `/v2/a/referrers/${IMAGE.digest}${query}`; next !== ''; ) {
      const response = await fetch(`${url}${next}`)
      assert.equal(response.headers.get('oci-filters-applied'), query.includes('artifactType') ? 'artifactType' : null)
      const { manifests } = (await response.json()) as { manifests: { digest: string }[] }
      pages.push(manifests.map(({ digest }) => digest))
      next = /^<([^>]*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? ''
    }
    return pages
  }
  const all = [...sboms!, ...others!].map(({ digest }) => digest).sort()
  assert.deepEqual(await walk(''), [all])
  assert.deepEqual(await walk('?n=4'), [all.slice(0, 4), all.slice(4, 8), all.slice(8)])
  assert.deepEqual(await walk('?n=5'), [all.slice(0, 5), all.slice(5)])
  assert.deepEqual(await walk(`?last=${all[6]}`), [all.slice(7)])
  const wanted = sboms!.map(({ digest }) => digest).sort()
  const type = `artifactType=${encodeURIComponent('application/sbom+json')}`
  assert.deepEqual(await walk(`?n=2&${type}`), [wanted.slice(0, 2), wanted.slice(2, 4), wanted.slice(4)])
  assert.deepEqual(await walk(`?n=5&${type}`), [wanted])
  assert.deepEqual(await walk('?n=0'), [[]])
  const wrong = await fetch(`${url}/v2/a/referrers/${IMAGE.digest}?n=-1`)
  assert.deepEqual(await codeOf(wrong), [400, 'PAGINATION_NUMBER_INVALID'])
})

test('one request gives a manifest several tags', async () => {
  await using registry = await openTestRegistry()
  const { url } = registry
  for (const blob of IMAGE.blobs) await pushBlob(url, 'a', blob)
  const put = await putManifest(url, 'a', `${IMAGE.digest}?tag=one&tag=two`, IMAGE.bytes)
  assert.deepEqual([put.status, put.headers.get('oci-tag')], [201, 'one, two'])
  assert.equal((await fetch(`${url}/v2/a/manifests/two`)).headers.get('docker-content-digest'), IMAGE.digest)
  const many = Array.from({ length: 101 }, (_, at) => `tag=t${at}`).join('&')
  assert.equal((await putManifest(url, 'a', `${IMAGE.digest}?${many}`, IMAGE.bytes)).status, 414)
})
