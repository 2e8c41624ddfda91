// The stores that need nothing but this machine.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '../../../oci/digest.ts'
import { newUploadId, type RepositoryName } from '../names.ts'
import { DirectoryStore } from './directory-store.ts'
import { MemoryStore } from './memory-store.ts'
import { storeSuite } from './store.suite.ts'

storeSuite('in memory', async () => new MemoryStore())
storeSuite('directory', async () => openDirectory().store)

test('directory: a blob is one file, whoever pushed it, and nothing of an upload stays', async () => {
  await using opened = openDirectory()
  const { store, root } = opened
  const digest = digestOf('x')
  for (const name of ['a', 'b'] as RepositoryName[]) {
    const id = newUploadId()
    await store.createUpload(name, id)
    await store.appendUpload(name, id, 0, oneByte())
    await store.promoteUpload(name, id, digest, 1)
    await store.linkBlob(name, digest)
    await store.removeUpload(name, id)
  }
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /data|link$|startedat/.test(file),
  )
  const hex = digest.slice('sha256:'.length)
  const base = 'docker/registry/v2'
  assert.deepEqual(files.sort(), [
    `${base}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
    `${base}/repositories/a/_layers/sha256/${hex}/link`,
    `${base}/repositories/b/_layers/sha256/${hex}/link`,
  ])
})

test('directory: drafts and empty uploads of a crash go when they are old', async () => {
  await using opened = openDirectory()
  const { store, root } = opened
  const name = 'a' as RepositoryName
  await store.linkManifest(name, digestOf('m'))
  const revisions = join(root, 'docker/registry/v2/repositories/a/_manifests/revisions')
  writeFileSync(join(revisions, 'link.x.draft'), '')
  mkdirSync(join(root, 'docker/registry/v2/repositories/a/_uploads', newUploadId()), { recursive: true })
  const kept = newUploadId()
  await store.createUpload(name, kept)
  assert.equal(await store.removeLeftovers(Date.now() - 60_000), 0)
  assert.equal(await store.removeLeftovers(Date.now() + 60_000), 2)
  assert.equal((await store.statUpload(name, kept))?.size, 0)
  assert.equal(await store.isManifestLinked(name, digestOf('m')), true)
})

test('directory: what somebody else put there is no repository, tag or blob', async () => {
  await using opened = openDirectory()
  const { store, root } = opened
  const name = 'a' as RepositoryName
  await store.linkManifest(name, digestOf('m'))
  await store.setTag(name, 'latest', digestOf('m'))
  const below = join(root, 'docker/registry/v2')
  writeFileSync(join(below, 'repositories/a/_manifests/tags/.hidden'), '')
  writeFileSync(join(below, 'repositories/lost+found'), '')
  writeFileSync(join(below, 'repositories/a/_manifests/revisions/sha256/xyz'), '')
  assert.deepEqual(await store.listTags(name), ['latest'])
  assert.deepEqual(await store.listRepositories(), [name])
})

function openDirectory() {
  const root = mkdtempSync(join(tmpdir(), 'berth-store-'))
  const store = new DirectoryStore(root)
  const dispose = async () => rmSync(root, { recursive: true, force: true })
  store[Symbol.asyncDispose] = dispose
  return { root, store, [Symbol.asyncDispose]: dispose }
}

async function* oneByte(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x')
}
