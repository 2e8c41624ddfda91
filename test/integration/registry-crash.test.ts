// kill -9 of berth-registry at every step of a push and of a collection: what was acknowledged is there after, nothing half is seen, and the
// same push goes through.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { digestOf } from '../../src/oci/digest.ts'
import { FAILPOINTS } from '../../src/registry/server/failpoints.ts'
import { eventually } from '../harness/command.ts'
import { pushBlob, pushImage, type RegistryProcess, startRegistryProcess } from '../harness/our-registry.ts'
import { bytesOf, PushStory } from '../harness/push-story.ts'

/** At which of its hits. A file is written for each link, manifest and tag. */
const STEPS = FAILPOINTS.filter((name) => !/^(collect|object|multipart)\./.test(name)).flatMap((name) => {
  const hits = name === 'file.written' ? [1, 2, 3, 4, 5, 6] : name.startsWith('manifest.') ? [1] : [1, 2]
  return hits.map((hit) => [name, hit] as const)
})
/** Data of registries that collect, whose tests look at the files. */
const directory = mkdtempSync(join(tmpdir(), 'berth-crash-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const STORY = new PushStory(200_000)
const { image: IMAGE } = STORY

for (const [step, hit] of STEPS)
  test(`a push that is cut off at ${step}, hit ${hit}, goes through after`, async () => {
    const point = `${step}=${hit === 1 ? '' : `${hit - 1}*off->`}kill`
    await using registry = await startRegistryProcess({}, { BERTH_FAILPOINTS: point })
    const cut = await STORY.push(registry.url)
    assert.ok(!cut.acknowledged.has('manifest'), 'it did not die')
    await registry.restart()
    const { url } = registry
    await STORY.check(url, cut)
    await STORY.resume(url, cut)
    await STORY.wholeOrAbsent(url)
    await pushImage(url, 'a', 'latest', IMAGE)
    await STORY.wholeOrAbsent(url)
    assert.deepEqual(await bytesOf(url, 'manifests/latest'), IMAGE.bytes)
  })

for (const step of FAILPOINTS.filter((name) => name.startsWith('collect.')))
  test(`a collection that is cut off at ${step} is taken up by the next, and loses nothing that is needed`, async () => {
    const collecting = { garbagecollection: { enabled: true, interval: '30ms', grace: '0s' } }
    await using registry = await startCollecting(collecting)
    // With no grace its blobs may be gone before its manifest comes: a client would push them again, too.
    await eventually('the image is pushed', 30_000, () =>
      pushImage(registry.url, 'a', 'latest', IMAGE).then(() => true),
    )
    const lost = await pushBlob(registry.url, 'a', Buffer.from('needed by nobody'))
    await registry.restart({ BERTH_FAILPOINTS: `${step}=kill` }).catch(() => {}) // it may die before it can say where it listens
    await eventually(`it dies at ${step}`, 30_000, async () =>
      fetch(`${registry.url}/v2/`).then(
        () => false,
        () => true,
      ),
    )
    await registry.restart()
    assert.deepEqual(await bytesOf(registry.url, 'manifests/latest'), IMAGE.bytes)
    for (const blob of IMAGE.blobs) assert.deepEqual(await bytesOf(registry.url, `blobs/${digestOf(blob)}`), blob)
    await eventually('the blob is collected', 30_000, () => !blobNames(registry).includes(lost.slice(7)))
    await pushBlobPatiently(registry, Buffer.from('needed by nobody'))
  })

function startCollecting(maintenance: object): Promise<RegistryProcess> {
  const root = join(directory, randomBytes(6).toString('hex'))
  const storage = { filesystem: { rootdirectory: root }, delete: { enabled: true }, maintenance }
  return startRegistryProcess({ storage }).then((registry) => Object.assign(registry, { root }))
}

function blobNames({ root }: RegistryProcess): string[] {
  return readdirSync(join(root, 'docker/registry/v2/blobs'), { recursive: true, encoding: 'utf8' }).flatMap(
    (path) => /\/([0-9a-f]{64})$/.exec(path)?.[1] ?? [],
  )
}

/** A blob whose removal was begun can be pushed again; until the removal has been finished the answer is 503. */
async function pushBlobPatiently({ url }: RegistryProcess, bytes: Buffer): Promise<void> {
  await eventually('the blob is pushed again', 100_000, async () => {
    const digest = digestOf(bytes)
    const response = await fetch(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body: bytes })
    assert.ok(response.status === 201 || response.status === 503, `${response.status}`)
    return response.status === 201
  })
}
