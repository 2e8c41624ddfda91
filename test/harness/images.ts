// Images for tests, made here: layers are tarred by GNU tar, the layout is written by hand, skopeo pushes it.
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from './command.ts'

export interface ImageConfig {
  Cmd?: string[]
  Entrypoint?: string[]
  Env?: string[]
  User?: string
  WorkingDir?: string
  ExposedPorts?: Record<string, object>
  Volumes?: Record<string, object>
  Labels?: Record<string, string>
  StopSignal?: string
}

/** A layer is a tar file's path, compressed or not. */
export interface ImageRecipe {
  layers: readonly { tar: string; compression: 'gzip' | 'zstd' | 'none' }[]
  config: ImageConfig
}

/** Pushes `name:tag` (without host) to the registry. */
export async function pushImage(host: string, name: string, recipe: ImageRecipe, credentials?: string): Promise<void> {
  const layout = await mkdtemp(join(tmpdir(), 'berth-layout-'))
  try {
    await writeLayout(layout, recipe)
    const creds = credentials === undefined ? [] : ['--dest-creds', credentials]
    await must(
      [
        'skopeo',
        '--insecure-policy',
        'copy',
        '--dest-tls-verify=false',
        ...creds,
        `oci:${layout}:image`,
        `docker://${host}/${name}`,
      ],
      {
        timeoutMs: 300_000,
      },
    )
  } finally {
    await rm(layout, { recursive: true, force: true })
  }
}

/** busybox with its applets as links, from Debian's busybox-static, in one gzip layer. */
export async function pushBusybox(host: string, name = 'busybox:latest', config: ImageConfig = {}): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-busybox-'))
  try {
    await makeBusyboxTree(join(directory, 'rootfs'))
    await must(['tar', '-C', join(directory, 'rootfs'), '--numeric-owner', '-cf', join(directory, 'layer.tar'), '.'])
    await pushImage(host, name, {
      layers: [{ tar: join(directory, 'layer.tar'), compression: 'gzip' }],
      config: { Cmd: ['sh'], ...config },
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

export async function makeBusyboxTree(root: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'root', 'tmp', 'var/www', 'home/user', 'proc', 'sys', 'dev'])
    await mkdir(join(root, folder), { recursive: true })
  const busybox = await findBusybox()
  await must(['cp', busybox, join(root, 'bin/busybox')])
  const applets = (await must([busybox, '--list'])).split('\n').filter((name) => name !== 'busybox' && name !== '')
  for (const applet of applets) await symlink('busybox', join(root, 'bin', applet))
  await must(['chmod', '1777', join(root, 'tmp')])
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  )
  await writeFile(
    join(root, 'etc/group'),
    'root:x:0:\nwheel:x:10:root\naudio:x:29:user\nuser:x:1000:\nnogroup:x:65534:\n',
  )
}

async function findBusybox(): Promise<string> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox']) if (await stat(path).catch(() => undefined)) return path
  throw new Error('busybox-static is not installed')
}

async function writeLayout(layout: string, recipe: ImageRecipe): Promise<void> {
  await mkdir(join(layout, 'blobs/sha256'), { recursive: true })
  const put = async (bytes: Buffer) => {
    const hex = createHash('sha256').update(bytes).digest('hex')
    await writeFile(join(layout, 'blobs/sha256', hex), bytes)
    return { digest: `sha256:${hex}`, size: bytes.length }
  }
  const layers: object[] = []
  const diffIds: string[] = []
  for (const { tar, compression } of recipe.layers) {
    diffIds.push((await must(['sha256sum', tar])).replace(/^(\S+).*/, 'sha256:$1'))
    layers.push({ mediaType: MEDIA_TYPE[compression], ...(await put(await compress(tar, compression))) })
  }
  const config = {
    architecture: 'amd64',
    os: 'linux',
    created: '2026-01-02T03:04:05Z',
    config: recipe.config,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: [],
  }
  const configBlob = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...(await put(Buffer.from(JSON.stringify(config)))),
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: configBlob,
    layers,
  }
  const manifestBlob = await put(Buffer.from(JSON.stringify(manifest)))
  const entry = {
    mediaType: manifest.mediaType,
    ...manifestBlob,
    annotations: { 'org.opencontainers.image.ref.name': 'image' },
  }
  await writeFile(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
}

const MEDIA_TYPE = {
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  zstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  none: 'application/vnd.oci.image.layer.v1.tar',
}

async function compress(tar: string, compression: 'gzip' | 'zstd' | 'none'): Promise<Buffer> {
  if (compression === 'none') return readFile(tar)
  const out = `${tar}.${compression}`
  await must(
    ['sh', '-c', compression === 'gzip' ? `gzip -1 -n -c "$1" > "$2"` : `zstd -q -3 -c "$1" > "$2"`, 'sh', tar, out],
    { timeoutMs: 300_000 },
  )
  const bytes = await readFile(out)
  await rm(out)
  return bytes
}
