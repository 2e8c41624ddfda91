// Images of a given weight as one OCI archive, for import: made by tar, gzip and sha256sum, so that nothing is held in memory.
import { createHash } from 'node:crypto'
import { mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from '../test/harness/command.ts'

export interface LayerImage {
  name: string
  /** Files in all, and bytes of each; they are spread over the layers. */
  files: number
  fileBytes: number
  layers: number
}

/** Writes `<directory>/<n>.tar` and returns its path. The content of files does not compress. */
export async function makeLayerArchive(directory: string, image: LayerImage): Promise<string> {
  const work = join(directory, 'work')
  const layout = join(work, 'layout')
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true })
  const layers = []
  const diffIds = []
  for (let index = 0; index < image.layers; index++) {
    const { descriptor, diffId } = await makeLayer(work, layout, index, image)
    layers.push(descriptor)
    diffIds.push(diffId)
  }
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64'
  const config = await putJson(layout, 'application/vnd.oci.image.config.v1+json', {
    architecture,
    os: 'linux',
    config: { Cmd: ['/busybox', 'true'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
  })
  const manifest = await putJson(layout, 'application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config,
    layers,
  })
  const annotations = { 'io.containerd.image.name': image.name, 'org.opencontainers.image.ref.name': 'latest' }
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [{ ...manifest, annotations }],
    }),
  )
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const archive = join(directory, `${image.name.replace(/[^a-z0-9]+/g, '-')}.tar`)
  await must(['tar', '-C', layout, '-cf', archive, 'oci-layout', 'index.json', 'blobs'], { timeoutMs: 300_000 })
  await rm(work, { recursive: true, force: true })
  return archive
}

async function makeLayer(work: string, layout: string, index: number, image: LayerImage) {
  const tree = join(work, `layer-${index}`)
  const count = Math.ceil(image.files / image.layers)
  await mkdir(tree)
  // A hundred files a directory; each with random bytes of its own.
  await must(
    [
      'sh',
      '-ec',
      `cd "$1"; cp /bin/busybox .; head -c $(($2 * $3)) /dev/urandom >all
      if [ $3 -lt 65536 ]; then split -a 5 -b $3 all f; else split -a 3 -b $3 all f; fi; rm all
      i=0; ls | grep ^f | while read name; do [ $((i % 100)) -ne 0 ] || { d=d$4-$((i / 100)); mkdir $d; }; mv $name $d/; i=$((i + 1)); done`,
      'sh',
      tree,
      String(count),
      String(image.fileBytes),
      String(index),
    ],
    { timeoutMs: 300_000 },
  )
  const tar = join(work, 'layer.tar')
  await must(['tar', '-C', tree, '--numeric-owner', '-cf', tar, '.'], { timeoutMs: 300_000 })
  await rm(tree, { recursive: true, force: true })
  const diffId = await digestOf(tar)
  await must(['gzip', '-1', '-n', tar], { timeoutMs: 300_000 })
  const digest = await digestOf(`${tar}.gz`)
  await must(['mv', `${tar}.gz`, blobPath(layout, digest)])
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  return { descriptor: { mediaType, digest, size: (await stat(blobPath(layout, digest))).size }, diffId }
}

async function putJson(layout: string, mediaType: string, value: object) {
  const bytes = Buffer.from(JSON.stringify(value))
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  await writeFile(blobPath(layout, digest), bytes)
  return { mediaType, digest, size: bytes.length }
}

async function digestOf(path: string): Promise<string> {
  return (await must(['sha256sum', path], { timeoutMs: 300_000 })).replace(/^(\S+).*/, 'sha256:$1')
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs/sha256', digest.slice('sha256:'.length))
}
