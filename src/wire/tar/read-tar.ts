// A tar archive read entry by entry, as fast as who reads it wants it.
import { DEFAULT_TAR_LIMITS, type TarLimits, TarParser } from './tar-parser.ts'
import type { TarEntry } from './entry.ts'

export interface TarItem {
  entry: TarEntry
  /** Exactly `entry.size` bytes; gone once the next entry is asked for. */
  content: AsyncIterable<Buffer>
}

type Part = { kind: 'entry'; entry: TarEntry } | { kind: 'data'; bytes: Buffer } | { kind: 'end' }

/**
 * Stops at the archive's end marker; what follows it in `source` is not read. Content that nobody reads is passed over. Throws
 * Failure('invalid-argument') on what is no tar archive or ends too early, and whatever the source throws.
 */
export async function* readTar(
  source: AsyncIterable<Buffer>,
  limits: TarLimits = DEFAULT_TAR_LIMITS,
): AsyncGenerator<TarItem> {
  const chunks = source[Symbol.asyncIterator]()
  /** Of one chunk at most: it can't hold more entries than it has blocks. */
  let parts: Part[] = []
  let at = 0
  let isOver = false
  const parser = new TarParser(
    {
      entry: (entry) => parts.push({ kind: 'entry', entry }),
      data: (bytes) => parts.push({ kind: 'data', bytes }),
      end: () => parts.push({ kind: 'end' }),
    },
    limits,
  )
  const next = async (): Promise<Part | undefined> => {
    while (at === parts.length) {
      if (isOver || parser.ended) return undefined
      parts = []
      at = 0
      const chunk = await chunks.next()
      isOver = chunk.done === true
      if (chunk.done) parser.finish()
      else parser.push(chunk.value)
    }
    return parts[at++]
  }
  const contentOf = async function* (): AsyncGenerator<Buffer> {
    for (let part = await next(); part?.kind === 'data'; part = await next()) yield part.bytes
  }
  try {
    for (let part = await next(); part !== undefined; part = await next())
      if (part.kind === 'entry') yield { entry: part.entry, content: contentOf() }
  } finally {
    await chunks.return?.()
  }
}
