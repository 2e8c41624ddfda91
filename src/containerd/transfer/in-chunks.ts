// Bytes in pieces of a size that is worth the trouble of passing each on.

/** Joins what is smaller than `sizeMin`; the last piece may be. What came before the source breaks comes before its error. */
export async function* inChunks(source: AsyncIterable<Uint8Array>, sizeMin: number): AsyncGenerator<Buffer> {
  let parts: Uint8Array[] = []
  let size = 0
  let broken: { error: unknown } | undefined
  try {
    for await (const part of source) {
      parts.push(part)
      size += part.length
      if (size < sizeMin) continue
      const whole = joined(parts, size)
      parts = []
      size = 0
      yield whole
    }
  } catch (error) {
    broken = { error }
  }
  if (size > 0) yield joined(parts, size)
  if (broken !== undefined) throw broken.error
}

function joined(parts: readonly Uint8Array[], size: number): Buffer {
  const [first] = parts
  if (parts.length > 1 || first === undefined) return Buffer.concat(parts, size)
  return Buffer.from(first.buffer, first.byteOffset, first.length)
}
