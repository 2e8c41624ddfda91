// MessagePack as a collector reads it, apart from the code under test.

/** Every value in the bytes; one that is cut off at the end is left out. */
export function unpackAll(bytes: Buffer): unknown[] {
  const values: unknown[] = []
  let at = 0
  const take = (size: number) => {
    if (at + size > bytes.length) throw new RangeError('cut off')
    at += size
    return at - size
  }
  const text = (size: number) => {
    const start = take(size)
    return bytes.toString('utf8', start, start + size)
  }
  const list = (size: number) => Array.from({ length: size }, () => unpack())
  const map = (size: number) => Object.fromEntries(Array.from({ length: size }, () => [String(unpack()), unpack()]))
  const unpack = (): unknown => {
    const code = bytes[take(1)] ?? 0
    if (code < 0x80) return code
    if (code < 0x90) return map(code & 15)
    if (code < 0xa0) return list(code & 15)
    if (code < 0xc0) return text(code & 31)
    switch (code) {
      case 0xc0:
        return null
      case 0xce:
        return bytes.readUInt32BE(take(4))
      case 0xd2:
        return bytes.readInt32BE(take(4))
      case 0xd7:
        return { extension: bytes[take(1)], bytes: bytes.subarray(take(8), at).length }
      case 0xd9:
        return text(bytes[take(1)] ?? 0)
      case 0xda:
        return text(bytes.readUInt16BE(take(2)))
      case 0xde:
        return map(bytes.readUInt16BE(take(2)))
      default:
        throw new Error(`code ${code.toString(16)} at ${at - 1}`)
    }
  }
  try {
    while (at < bytes.length) values.push(unpack())
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  return values
}
