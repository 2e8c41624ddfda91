// Blobs against their names and their records.
import { createHash } from 'node:crypto'
import { createReadStream, type Dirent, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { clone } from '@bufbuild/protobuf'
import { InfoSchema } from '../../gen/services/content_pb.ts'
import { type Digest, parseDigest, splitDigest } from '../../oci/digest.ts'
import { readIngestStatus } from '../content/ingest.ts'
import { messageCodec } from '../metadata/codec.ts'
import type { Finding, Repair } from './finding.ts'
import type { Entry, Records } from './load-records.ts'

const CODEC = messageCodec(InfoSchema)

/** Reads every byte of every blob. */
export async function checkContent(root: string, records: Records): Promise<Finding[]> {
  const infos = records.list('content', CODEC)
  const byDigest = new Map<string, typeof infos>()
  for (const info of infos) byDigest.set(info.name, [...(byDigest.get(info.name) ?? []), info])
  const findings: Finding[] = []
  const present = new Map<string, number>()
  for (const blob of listBlobs(root)) {
    if (blob.digest === undefined) {
      findings.push({
        code: 'blob-name',
        subject: blob.path,
        text: 'this is no digest',
        repair: [{ kind: 'unlink', path: blob.path }],
      })
      continue
    }
    present.set(blob.digest, blob.sizeBytes)
    findings.push(...(await checkBlob(blob.path, blob.digest, blob.sizeBytes, byDigest.get(blob.digest) ?? [])))
  }
  for (const [digest, holders] of byDigest)
    if (!present.has(digest)) {
      const text = `${namesOf(holders)} a record of it, but its bytes are gone; pull what needs it again`
      findings.push({
        code: 'blob-missing',
        subject: digest,
        text,
        repair: holders.map(({ key }) => ({ kind: 'remove', key })),
      })
    }
  return [...findings, ...checkIngests(root)]
}

async function checkBlob(
  path: string,
  digest: Digest,
  sizeBytes: number,
  holders: Entry<ReturnType<typeof CODEC.decode>>[],
): Promise<Finding[]> {
  const actual = await digestOfFile(path, digest)
  if (actual !== digest) {
    const repair: Repair[] = [{ kind: 'unlink', path }, ...holders.map(({ key }) => ({ kind: 'remove', key }) as const)]
    return [
      {
        code: 'blob-digest',
        subject: digest,
        text: `its bytes are those of ${actual}; pull what needs it again`,
        repair,
      },
    ]
  }
  if (holders.length === 0)
    return [
      { code: 'blob-without-record', subject: digest, text: 'no namespace has it', repair: [{ kind: 'at-start' }] },
    ]
  const wrong = holders.filter(({ value }) => Number(value.size) !== sizeBytes)
  if (wrong.length === 0) return []
  const repair = wrong.map(
    ({ key, value }) =>
      ({ kind: 'put', key, value: CODEC.encode({ ...clone(InfoSchema, value), size: BigInt(sizeBytes) }) }) as const,
  )
  return [
    {
      code: 'blob-size',
      subject: digest,
      text: `${namesOf(wrong)} it with ${wrong[0]!.value.size} bytes, it has ${sizeBytes}`,
      repair,
    },
  ]
}

function checkIngests(root: string): Finding[] {
  return listDirectory(join(root, 'content/ingest'))
    .filter(({ name }) => readIngestStatus(join(root, 'content/ingest', name)) === undefined)
    .map(({ name }) => ({
      code: 'ingest-unreadable',
      subject: name,
      text: 'an upload that cannot go on',
      repair: [{ kind: 'at-start' }],
    }))
}

export interface BlobFile {
  path: string
  /** Undefined where the name is none. */
  digest: Digest | undefined
  sizeBytes: number
}

export function listBlobs(root: string): BlobFile[] {
  return (['sha256', 'sha512'] as const).flatMap((algorithm) => {
    const directory = join(root, 'content/blobs', algorithm)
    return listDirectory(directory).map(({ name }) => {
      const path = join(directory, name)
      return {
        path,
        digest: digestNamed(`${algorithm}:${name}`),
        sizeBytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0,
      }
    })
  })
}

function digestNamed(text: string): Digest | undefined {
  try {
    return parseDigest(text)
  } catch {
    return undefined
  }
}

/** Empty where there is none. */
export function listDirectory(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

async function digestOfFile(path: string, named: Digest): Promise<string> {
  const { algorithm } = splitDigest(named)
  const hash = createHash(algorithm)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return `${algorithm}:${hash.digest('hex')}`
}

function namesOf(holders: readonly { namespace: string }[]): string {
  const names = holders.map(({ namespace }) => JSON.stringify(namespace)).join(', ')
  return `${holders.length === 1 ? 'namespace' : 'namespaces'} ${names} ${holders.length === 1 ? 'has' : 'have'}`
}
