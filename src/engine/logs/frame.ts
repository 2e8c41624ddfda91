// Docker's frame around a piece of output: stream, three zero bytes, length, payload.

/** 1 is standard output, 2 standard error, 3 an error of the engine's own. */
export function frame(stream: 1 | 2 | 3, payload: Buffer): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}
