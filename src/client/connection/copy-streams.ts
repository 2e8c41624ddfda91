// Docker's framed streams onto this program's own outputs.
import { type StdStream, StdcopyDecoder } from '../../wire/stdcopy.ts'
import { type OutputFd, writeBytes } from '../terminal/streams.ts'

/** Takes chunks as they come; resolves when what they hold has been written. Throws what the engine reports in the stream. */
export function makeFrameWriter(wants: { stdout: boolean; stderr: boolean }): (chunk: Uint8Array) => Promise<void> {
  const decoder = new StdcopyDecoder()
  return async (chunk) => {
    for (const { stream, payload } of joinNeighbours(decoder.decode(chunk))) {
      if (stream === 'systemerr') throw new Error(`error from daemon in stream: ${Buffer.from(payload).toString()}`)
      const fd: OutputFd = stream === 'stderr' ? 2 : 1
      if (fd === 2 ? wants.stderr : wants.stdout) await writeBytes(fd, payload)
    }
  }
}

/** A chunk holds many small frames: those of one stream that follow each other are written at once. */
function* joinNeighbours(
  frames: Iterable<{ stream: StdStream; payload: Uint8Array }>,
): Generator<{ stream: StdStream; payload: Uint8Array }> {
  let stream: StdStream = 'stdout'
  let payloads: Uint8Array[] = []
  const joined = () => ({
    stream,
    payload: payloads.length === 1 ? (payloads[0] as Uint8Array) : Buffer.concat(payloads),
  })
  for (const frame of frames) {
    if (frame.stream !== stream && payloads.length > 0) {
      yield joined()
      payloads = []
    }
    stream = frame.stream
    payloads.push(frame.payload)
  }
  if (payloads.length > 0) yield joined()
}
