// system dial-stdio: the far end of `-H ssh://`: standard input and output become a connection to the engine.
import type { Command } from '../command.ts'
import { openByteStream } from '../connection/byte-stream.ts'
import { writeBytes } from '../terminal/streams.ts'

export const dialStdio: Command = {
  flags: [],
  args: { min: 0, max: 0 },
  async run(shell) {
    shell.interruption.listen()
    const stream = await openByteStream(shell.connection.target)
    const send = async () => {
      for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) await stream.write(chunk)
      stream.endWrite()
    }
    send().catch(() => stream.destroy())
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read()) await writeBytes(1, chunk)
    return 0
  },
}
