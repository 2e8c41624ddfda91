// The first bytes of a stream, by which its kind is known, without taking them from it.

export interface PeekedStream {
  /** As many bytes as were asked for, where there are so many; maybe more. */
  start: Buffer
  /** All of it. Iterate it, or the source is not closed. */
  whole: AsyncGenerator<Buffer>
}

export async function peekStart(source: AsyncIterable<Buffer>, bytes: number): Promise<PeekedStream> {
  const chunks = source[Symbol.asyncIterator]()
  const first: Buffer[] = []
  let size = 0
  while (size < bytes) {
    const next = await chunks.next()
    if (next.done) break
    first.push(next.value)
    size += next.value.length
  }
  const start = Buffer.concat(first)
  const whole = async function* (): AsyncGenerator<Buffer> {
    try {
      if (start.length > 0) yield start
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
    } finally {
      await chunks.return?.()
    }
  }
  return { start, whole: whole() }
}
