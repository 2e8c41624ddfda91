// What a call of Write says of an upload's bytes: the bytes themselves, or how far they are in the upload's file.
import type { ContainerdClient } from './client.ts'
import { IN_PLACE_HEADER, openUploadFile, type UploadFile } from './upload-file.ts'

/** Of one message, or one write to the upload's file. */
const CHUNK_BYTES = 1 << 20
/** Appended, and told at once: the store hashes it meanwhile. */
const TOLD_BYTES = 4 << 20
/** Well below the largest message. */
const MESSAGE_DATA_MAX = 8 << 20
/** As many as one writev takes (IOV_MAX, limits.h). */
const PIECES_MAX = 1024

/** Of calls of Write whose bytes are told by `writesOf`. */
export const IN_PLACE: Readonly<Record<string, string>> = { [IN_PLACE_HEADER]: '1' }

/** What those who send a call of Write and those who hear its answers know of each other. */
export class UploadCall {
  #tell: (offset: number | undefined) => void = () => {}
  #isOver = false
  /** Where the first answer says that the upload stands, whose lock is the caller's then; undefined where the call ended without one. */
  readonly begun = new Promise<number | undefined>((resolve) => {
    this.#tell = resolve
  })

  /** Nothing is put into the upload's file any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** @param offset of an answer. */
  answered(offset: bigint): void {
    this.#tell(Number(offset))
  }

  end(): void {
    this.#isOver = true
    this.#tell(undefined)
  }
}

export interface UploadTarget {
  client: ContainerdClient
  call: UploadCall
  ref: string
  /** Where its bytes are to go on. */
  offset: number
}

/**
 * What a call of Write says of the bytes of `source`: the bytes themselves, or how far they are now in the upload's file. `end`: where the upload stands then. What
 * came before the source breaks comes before its error.
 */
export async function* writesOf(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { client, call, ref, offset }: UploadTarget,
): AsyncGenerator<{ message: { offset: bigint; data?: Uint8Array }; end: number }> {
  let at = offset
  let told = at
  let isFirst = true
  let file: UploadFile | undefined
  let broken: { error: unknown } | undefined
  const tell = () => {
    told = at
    return { message: { offset: BigInt(at) }, end: at }
  }
  try {
    for await (const { pieces, size, broke } of gathered(source)) {
      broken = broke
      // Never later: messages that were sent may not have been written yet. Nor where more is there, which the first message throws away.
      if (isFirst && size >= CHUNK_BYTES && (await call.begun) === offset)
        file = await openUploadFile(client, ref, offset)
      isFirst = false
      if (call.isOver) return
      if (file === undefined) {
        for (const data of inMessages(pieces, size)) {
          yield { message: { offset: BigInt(at), data }, end: at + data.length }
          at += data.length
        }
      } else {
        await file.append(pieces)
        at += size
        if (at - told >= TOLD_BYTES) yield tell()
      }
    }
    if (file !== undefined && at > told) yield tell()
    if (broken !== undefined) throw broken.error
  } finally {
    await file?.close()
  }
}

function* inMessages(pieces: readonly Uint8Array[], size: number): Generator<Uint8Array> {
  const joined = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size)
  for (let at = 0; at < joined.length; at += MESSAGE_DATA_MAX) yield joined.subarray(at, at + MESSAGE_DATA_MAX)
}

/** The last of them says what the source broke with. */
async function* gathered(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<{ pieces: Uint8Array[]; size: number; broke?: { error: unknown } }> {
  let pieces: Uint8Array[] = []
  let size = 0
  try {
    for await (const data of source) {
      pieces.push(data)
      size += data.length
      if (size < CHUNK_BYTES && pieces.length < PIECES_MAX) continue
      yield { pieces, size }
      pieces = []
      size = 0
    }
  } catch (error) {
    yield { pieces, size, broke: { error } }
    return
  }
  if (size > 0) yield { pieces, size }
}
