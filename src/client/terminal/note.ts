// A remark between the lines of a command's output, as the Docker CLI sets it.
import { isTerminal, type OutputFd, print } from './streams.ts'

const PLAIN = ' Info -> '
const FANCY = '\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m'

export function printNote(fd: OutputFd, text: string): void {
  const isFancy = isTerminal(fd)
  const shown = isFancy ? text.replaceAll('--platform', '\x1b[1m--platform\x1b[0m') : text
  const lines = shown.split('\n').map((line) => (isFancy ? `\x1b[3m${line}\x1b[0m` : line))
  print(fd, `\n${isFancy ? FANCY : PLAIN}${lines.join(`\n${' '.repeat(PLAIN.length)}`)}\n`)
}
