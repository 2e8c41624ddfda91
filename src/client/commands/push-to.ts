// push-to: from one engine to another what that one lacks (docs/decisions/push-to.md); to one that cannot be asked, save and load.
import { isFailure, messageOf } from '../../base/failure.ts'
import { readJsonLines } from '../../wire/json-stream.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { Connection } from '../connection/connection.ts'
import { resolveEndpoint } from '../connection/endpoint.ts'
import { formatSize } from '../format/moments.ts'
import { makeDrawing, showProgress } from '../pull-image.ts'
import { print, terminalSize } from '../terminal/streams.ts'

/** Blobs that are under way at once. */
const PARALLEL = 3
/** Of a blob, in a row without a byte gained. */
const ATTEMPTS_MAX = 5
const TELL_BYTES = 512 * 1024

interface Blob {
  mediaType: string
  digest: string
  size: number
}

interface Content {
  Name?: string
  Target: Blob
  Manifest: string
  Blobs: Blob[]
}

export const pushTo: Command = {
  description: `Send images to another engine, only what it lacks of them

HOST is what -H takes (unix://, tcp://, ssh://) or the name of a context. For tcp:// the client's own
TLS flags count; an engine with other certificates is best given as a context.`,
  flags: [{ name: 'quiet', short: 'q', kind: 'boolean', usage: 'Suppress verbose output' }],
  args: { min: 2 },
  async run(shell, [host = '', ...images], flags) {
    shell.interruption.listen()
    const target = await connectTo(shell, host)
    const isQuiet = flags.boolean('quiet') ?? false
    for (const image of images) await pushImage(shell, target, image, isQuiet)
    return 0
  },
}

async function connectTo(shell: Shell, host: string): Promise<Connection> {
  const { config, configDirectory, env } = shell
  const isHost = host.includes('://')
  const ofHost = () => ({ host, tls: host.startsWith('tcp://') ? shell.resolveDefault().tls : undefined })
  const context = isHost ? 'default' : host
  return new Connection(
    await resolveEndpoint(context, isHost ? ofHost : shell.resolveDefault, config, configDirectory, env),
  )
}

async function pushImage(shell: Shell, target: Connection, image: string, isQuiet: boolean): Promise<void> {
  const contents = await describe(shell, image)
  if (contents === undefined) return await saveAndLoad(shell, target, image, isQuiet)
  for (const content of contents) {
    const begun = await begin(target, content)
    if (begun === undefined) return await saveAndLoad(shell, target, image, isQuiet)
    await new Push(shell, target, content, begun, isQuiet).run()
  }
}

/** Undefined where the engine is none of ours. */
async function describe(shell: Shell, image: string): Promise<Content[] | undefined> {
  return await unlessForeign(() =>
    shell.connection.json<Content[]>({ method: 'GET', path: '/content', query: { image } }),
  )
}

interface Begun {
  Id: string
  Missing: { Digest: string; Offset: number }[]
}

async function begin(target: Connection, { Blobs }: Content): Promise<Begun | undefined> {
  return await unlessForeign(() => target.json<Begun>({ method: 'POST', path: '/transfers', body: { Blobs } }))
}

async function unlessForeign<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isFailure(error, 'not-found') && /page not found/.test(messageOf(error))) return undefined
    throw error
  }
}

/** One image on its way. */
class Push {
  readonly #shell: Shell
  readonly #target: Connection
  readonly #content: Content
  readonly #begun: Begun
  readonly #isQuiet: boolean
  readonly #draw = makeDrawing(terminalSize(1) !== undefined, () => terminalSize(1)?.columns || 200)
  #sentBytes = 0

  constructor(shell: Shell, target: Connection, content: Content, begun: Begun, isQuiet: boolean) {
    this.#shell = shell
    this.#target = target
    this.#content = content
    this.#begun = begun
    this.#isQuiet = isQuiet
  }

  async run(): Promise<void> {
    const { Name, Target, Manifest, Blobs } = this.#content
    const { Id, Missing } = this.#begun
    const offsets = new Map(Missing.map(({ Digest, Offset }) => [Digest, Offset]))
    for (const blob of Blobs) if (!offsets.has(blob.digest)) this.#tell(blob, 'Already there')
    const queue = Blobs.filter(({ digest }) => offsets.has(digest))
    try {
      const worker = async () => {
        for (let blob = queue.shift(); blob !== undefined; blob = queue.shift())
          await this.#send(blob, offsets.get(blob.digest) ?? 0)
      }
      await Promise.all(Array.from({ length: PARALLEL }, worker))
      await this.#target.send({
        method: 'POST',
        path: `/transfers/${Id}/finish`,
        body: { Name, Target: only(Target), Manifest },
      })
    } catch (error) {
      queue.length = 0
      // What has come is kept for a while longer by the engine itself, so that another try is short.
      throw error
    }
    const what = Name ?? Target.digest
    if (this.#isQuiet) this.#shell.print(`${what}\n`)
    else
      this.#shell.print(
        `${what}: digest: ${Target.digest} sent: ${formatSize(this.#sentBytes)} (${this.#sentBytes} bytes) in ${Missing.length} of ${Blobs.length} blobs\n`,
      )
  }

  async #send(blob: Blob, offset: number): Promise<void> {
    let at = offset
    let attempts = 0
    for (;;) {
      const before = this.#sentBytes
      try {
        await this.#sendFrom(blob, at)
        this.#tell(blob, 'Pushed')
        return
      } catch (error) {
        attempts = this.#sentBytes > before ? 1 : attempts + 1
        // What an engine has said is not asked again; a connection that broke is.
        if (!isFailure(error, 'unavailable', 'conflict') || attempts >= ATTEMPTS_MAX) throw error
        await new Promise((resolve) => setTimeout(resolve, attempts * 200))
        const path = `/transfers/${this.#begun.Id}/blobs/${blob.digest}`
        const state = await this.#target.json<{ IsHere: boolean; Offset: number }>({ method: 'GET', path })
        if (state.IsHere) return this.#tell(blob, 'Pushed')
        at = state.Offset
      }
    }
  }

  async #sendFrom(blob: Blob, offset: number): Promise<void> {
    const range: Record<string, string> = offset === 0 || offset === blob.size ? {} : { Range: `bytes=${offset}-` }
    const source =
      offset === blob.size && offset > 0
        ? nothing()
        : await this.#shell.connection.open({
            method: 'GET',
            path: `/content/${blob.digest}`,
            query: { image: this.#content.Name ?? this.#content.Target.digest },
            headers: range,
          })
    await this.#target.send({
      method: 'PUT',
      path: `/transfers/${this.#begun.Id}/blobs/${blob.digest}`,
      query: { offset },
      headers: { 'Content-Type': 'application/octet-stream' },
      upload: this.#counted(blob, offset, source),
    })
  }

  async *#counted(blob: Blob, offset: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let at = offset
    let told = 0
    for await (const bytes of source) {
      yield bytes
      at += bytes.length
      this.#sentBytes += bytes.length
      if (at - told < TELL_BYTES && at < blob.size) continue
      told = at
      this.#tell(blob, 'Pushing', { current: at, total: blob.size })
    }
  }

  #tell({ digest }: Blob, status: string, progressDetail = {}): void {
    if (!this.#isQuiet) print(1, this.#draw({ id: digest.slice(7, 19), status, progressDetail }))
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function only({ mediaType, digest, size }: Blob): Blob {
  return { mediaType, digest, size }
}

/** With an engine that cannot say what it lacks, everything is sent. */
async function saveAndLoad(shell: Shell, target: Connection, image: string, isQuiet: boolean): Promise<void> {
  shell.printError(`note: ${image} is sent as a whole (save, load): one of the engines is not Berth\n`)
  const upload = await shell.connection.open({ method: 'GET', path: '/images/get', query: { names: [image] } })
  const { body } = await target.answer({
    method: 'POST',
    path: '/images/load',
    query: { quiet: isQuiet || terminalSize(1) === undefined },
    headers: { 'Content-Type': 'application/x-tar' },
    upload,
  })
  try {
    await showProgress(readJsonLines(body), isQuiet ? undefined : 1)
  } catch (error) {
    throw isFailure(error) ? new ExitCode(1, messageOf(error)) : error
  }
}
