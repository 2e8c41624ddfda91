// An image of two platforms with two layers each, pushed by skopeo: what transfers are tried with.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OciLayout } from '../../src/image/oci-layout.ts'
import { imageFile, makeImage } from '../../src/image/make-image.ts'
import type { Descriptor } from '../../src/oci/descriptor.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { must } from './command.ts'

export interface PlatformImage {
  index: Descriptor
  amd64: Descriptor
  arm64: Descriptor
}

/** An OCI layout in `directory`, whose `image` is the index; `amd64` and `arm64` name its manifests. */
export async function writePlatformImage(directory: string): Promise<PlatformImage> {
  await mkdir(directory, { recursive: true })
  const layout = await OciLayout.open(directory)
  const make = async (architecture: string) => {
    const layers = [
      [imageFile('base', { content: randomBytes(300_000) }), imageFile('etc/', { type: 'directory' })],
      [imageFile('etc/architecture', { content: architecture })],
    ]
    const manifest = await makeImage(layout, {
      layers,
      config: { Cmd: ['true'] },
      platform: { os: 'linux', architecture },
    })
    await layout.tag(manifest, architecture)
    return manifest
  }
  const [amd64, arm64] = [await make('amd64'), await make('arm64')]
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [amd64, arm64] }
  const index = await layout.write(MEDIA_TYPE.ociIndex, Buffer.from(JSON.stringify(document)))
  await layout.tag(index, 'image')
  return { index, amd64, arm64 }
}

/** Pushes it as `name`. */
export async function pushPlatformImage(host: string, name: string, credentials?: string): Promise<PlatformImage> {
  const directory = await mkdtemp(join(tmpdir(), 'platform-image-'))
  try {
    const image = await writePlatformImage(join(directory, 'layout'))
    const creds = credentials === undefined ? [] : ['--dest-creds', credentials]
    const source = `oci:${join(directory, 'layout')}:image`
    const copy = ['skopeo', '--insecure-policy', 'copy', '-q', '--all', '--dest-tls-verify=false', ...creds]
    await must([...copy, source, `docker://${host}/${name}`])
    return image
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
