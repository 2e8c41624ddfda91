// berth-registry for tests: in this process, or as a program of its own that can be killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../src/base/log.ts'
import { type Digest, digestOf } from '../../src/oci/digest.ts'
import { MEDIA_TYPE } from '../../src/oci/media-type.ts'
import { parseConfig } from '../../src/registry/server/config/parse-config.ts'
import { openRegistry, type RunningRegistry } from '../../src/registry/server/open-registry.ts'
import { BIN } from './root.ts'

/** What a test may say in the configuration; YAML below the top level. */
export type ConfigParts = Readonly<Record<string, unknown>>

/** In this process, on a port of loopback, in memory unless `parts` say otherwise. */
export async function openTestRegistry(parts: ConfigParts = {}): Promise<TestRegistryInside> {
  const running = await openRegistry(parseConfig(JSON.stringify(withDefaults(parts))), silentLog)
  const url = `http://${running.address}`
  return { ...running, url, [Symbol.asyncDispose]: () => running.close() }
}

export interface TestRegistryInside extends RunningRegistry, AsyncDisposable {
  url: string
}

function withDefaults(parts: ConfigParts): ConfigParts {
  return {
    version: 0.1,
    storage: { inmemory: {}, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    ...parts,
  }
}

export interface RegistryProcess extends AsyncDisposable {
  url: string
  /** `127.0.0.1:port`. */
  host: string
  root: string
  config: string
  /** Undefined where it could not be started. */
  pid(): number | undefined
  /** SIGKILL, and a new process on the same directory, which gets a port of its own. */
  restart(environment?: Record<string, string>): Promise<void>
  /** Resolves with the exit code, or the signal's name. */
  end(signal: NodeJS.Signals): Promise<number | string>
  /** Everything it has printed. */
  log(): string
}

/** The program itself, on a directory of its own. */
export async function startRegistryProcess(
  parts: ConfigParts = {},
  environment: Record<string, string> = {},
): Promise<RegistryProcess> {
  const root = mkdtempSync(join(tmpdir(), 'berth-registry-'))
  const config = join(root, 'config.yml')
  const storage = { filesystem: { rootdirectory: join(root, 'data') }, delete: { enabled: true } }
  writeFileSync(config, JSON.stringify(withDefaults({ storage, ...parts })))
  let output = ''
  let child: ChildProcess
  const registry: RegistryProcess = {
    ...{ url: '', host: '', root, config, log: () => output, pid: () => child.pid },
    async restart(more = {}) {
      await registry.end('SIGKILL')
      await launch(more)
    },
    async end(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode ?? ''
      const gone = once(child, 'exit')
      child.kill(signal)
      const [code, name] = (await gone) as [number | null, string | null]
      return code ?? name ?? ''
    },
    async [Symbol.asyncDispose]() {
      await registry.end('SIGKILL')
      rmSync(root, { recursive: true, force: true })
    },
  }
  const launch = async (more: Record<string, string>): Promise<void> => {
    child = spawn(join(BIN, 'berth-registry'), ['serve', config], {
      env: { ...process.env, ...more },
      stdio: ['ignore', 'inherit', 'pipe'],
    })
    registry.host = await new Promise((resolve, reject) => {
      let mine = ''
      child.stderr?.on('data', (chunk: Buffer) => {
        output += chunk
        mine += chunk
        const address = /msg=listening address="?([^"\s]+)"? tls/.exec(mine)?.[1]
        if (address !== undefined) resolve(address)
      })
      child.once('exit', () => reject(new Error(`berth-registry ended: ${mine}`)))
    })
    registry.url = `${parts['tls'] === true ? 'https' : 'http'}://${registry.host}`
  }
  await launch(environment)
  return registry
}

/** Pushes bytes as one request; the answer must be 201. */
export async function pushBlob(url: string, name: string, bytes: Uint8Array, headers = {}): Promise<Digest> {
  const digest = digestOf(bytes)
  const address = `${url}/v2/${name}/blobs/uploads/?digest=${digest}`
  const response = await fetch(address, { method: 'POST', body: Buffer.from(bytes), headers })
  if (response.status !== 201) throw new Error(`push of a blob: ${response.status} ${await response.text()}`)
  return digest
}

export interface SmallImage {
  bytes: Buffer
  digest: Digest
  blobs: readonly Buffer[]
}

/** A manifest over the given blobs, the first of which is its configuration. */
export function manifestOf(blobs: readonly Buffer[], more: Readonly<Record<string, unknown>> = {}): SmallImage {
  const [config, ...layers] = blobs.map((blob, at) => ({
    mediaType: at === 0 ? MEDIA_TYPE.ociConfig : MEDIA_TYPE.ociLayer,
    digest: digestOf(blob),
    size: blob.length,
  }))
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers, ...more }),
  )
  return { bytes, digest: digestOf(bytes), blobs }
}

export function putManifest(
  url: string,
  name: string,
  reference: string,
  bytes: Buffer,
  mediaType: string = MEDIA_TYPE.ociManifest,
): Promise<Response> {
  return fetch(`${url}/v2/${name}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: bytes,
  })
}

/** Blobs and manifest; the answer must be 201. */
export async function pushImage(url: string, name: string, tag: string, image: SmallImage): Promise<void> {
  for (const blob of image.blobs) await pushBlob(url, name, blob)
  const response = await putManifest(url, name, tag, image.bytes)
  if (response.status !== 201) throw new Error(`push of a manifest: ${response.status} ${await response.text()}`)
}
