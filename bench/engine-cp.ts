// Files into a container and out of it by the API: one large one, and very many small ones.
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { must } from '../test/harness/command.ts'
import { curl, EngineClient } from './engine-client.ts'
import { timed } from './measure.ts'
import type { Peer } from './peers.ts'
import { type Part, type Stage, scaled } from './stage.ts'

const LARGE_MB = 1000
const SMALL_FILES = 20_000
const FILES_PER_DIRECTORY = 200
const SMALL_BYTES = 1024
const REPEATS = 3

export const cpPart: Part = {
  name: 'cp',
  title: 'Engine: copies in and out',
  about: `\`PUT\` and \`GET\` of \`/containers/{id}/archive\` by curl, into and from a container that was created only; medians of ${REPEATS} rounds, the sides alternate, and what was written before is on the disk before the clock starts.`,
  limitSeconds: 300,
  async measure(stage) {
    const directory = await mkdtemp(join(tmpdir(), 'berth-bench-cp-'))
    try {
      const megabytes = scaled(LARGE_MB)
      const large = await packLarge(directory, megabytes)
      await measureCopies(stage, {
        columns: [
          { what: `${LARGE_MB} MB, one file, in: with a length`, unit: 'MB/s' },
          { what: 'the same in chunks, as the CLI sends it', unit: 'MB/s' },
          { what: 'the same out', unit: 'MB/s' },
        ],
        ...{ archive: large, path: 'large', amount: megabytes, leastBytes: megabytes * 1e6 },
      })
      const files = scaled(SMALL_FILES)
      const small = await packSmall(directory, files)
      await measureCopies(stage, {
        columns: [
          { what: `${SMALL_FILES} files of 1 kB in: files`, unit: '/s' },
          { what: 'the same in chunks', unit: '/s' },
          { what: 'the same out', unit: '/s' },
        ],
        ...{ archive: small, path: 'small', amount: files, leastBytes: files * SMALL_BYTES },
      })
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
}

interface Copies {
  columns: Parameters<Stage['numbers']>[0]
  /** Of what is copied in. */
  archive: string
  /** In the archive and in the container's root. */
  path: string
  /** Of what the rates are of. */
  amount: number
  /** What comes out at least. */
  leastBytes: number
}

async function measureCopies(stage: Stage, { columns, archive, path, amount, leastBytes }: Copies): Promise<void> {
  await stage.numbers(columns, REPEATS, async (peer) => {
    const whole = await withContainer(stage, peer, (id) => copyIn(peer, id, archive, []))
    const times = await withContainer(stage, peer, async (id) => [
      await copyIn(peer, id, archive, ['-H', 'Transfer-Encoding: chunked']),
      await copyOut(peer, id, path, leastBytes),
    ])
    return [whole, ...times].map((ms) => amount / (ms / 1000))
  })
}

async function withContainer<T>(stage: Stage, peer: Peer, work: (id: string) => Promise<T>): Promise<T> {
  using client = new EngineClient(peer.socketPath, 1)
  const id = await client.create({ Image: stage.image, Cmd: ['true'] })
  try {
    return await work(id)
  } finally {
    await client.remove(id)
  }
}

async function copyIn(peer: Peer, id: string, archive: string, headers: readonly string[]): Promise<number> {
  await must(['sync'], { timeoutMs: 300_000 })
  const type = ['-H', 'Content-Type: application/x-tar', '-H', 'Expect:']
  return timed(() => curl(peer.socketPath, `/containers/${id}/archive?path=/`, [...type, ...headers, '-T', archive]))
}

async function copyOut(peer: Peer, id: string, path: string, leastBytes: number): Promise<number> {
  const counted = ['-o', '/dev/null', '-w', '%{size_download}']
  let received = ''
  const elapsed = await timed(async () => {
    received = await curl(peer.socketPath, `/containers/${id}/archive?path=/${path}`, counted)
  })
  if (Number(received) < leastBytes) throw new Error(`${peer.name} gave ${received} bytes of ${path}`)
  return elapsed
}

/** Bytes that no hole and no compression makes cheaper. */
async function packLarge(directory: string, megabytes: number): Promise<string> {
  const block = randomBytes(1e6)
  const file = await open(join(directory, 'large'), 'w')
  try {
    for (let written = 0; written < megabytes; written++) await file.write(block)
  } finally {
    await file.close()
  }
  return pack(directory, 'large')
}

async function packSmall(directory: string, files: number): Promise<string> {
  const content = randomBytes(SMALL_BYTES)
  for (let index = 0; index < files; index++) {
    const parent = join(directory, 'small', String(Math.floor(index / FILES_PER_DIRECTORY)))
    if (index % FILES_PER_DIRECTORY === 0) await mkdir(parent, { recursive: true })
    await writeFile(join(parent, String(index)), content)
  }
  return pack(directory, 'small')
}

async function pack(directory: string, name: string): Promise<string> {
  const archive = join(directory, `${name}.tar`)
  await must(['tar', '-C', directory, '--remove-files', '-cf', archive, name], { timeoutMs: 300_000 })
  return archive
}
