// Questions to whoever sits at the terminal.
import type { Shell } from '../command.ts'

type Asker = Pick<Shell, 'print' | 'interruption'>

/** The answer without its line end; '' where the input has ended. */
export async function askFor(shell: Asker, question: string): Promise<string> {
  shell.print(question)
  return (await readLine()).trim()
}

/** What is typed is not shown. The terminal is as it was afterwards, whichever way the program goes on. */
export async function askSecretly(shell: Asker, question: string): Promise<string> {
  const { spawnSync } = await import('node:child_process')
  const stty = (...args: string[]) =>
    spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' })
  const saved = stty('-g')
  const restore = () => void (saved.status === 0 && stty(saved.stdout.trim()))
  shell.interruption.beforeExit(restore)
  stty('-echo')
  shell.print(question)
  try {
    return (await readLine()).trim()
  } finally {
    restore()
    shell.print('\n')
  }
}

/** Until its end: for secrets that are piped in. */
export async function readAllInput(): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** What came after the last line that was read. */
let rest = ''

function readLine(): Promise<string> {
  return new Promise((resolve) => {
    const { stdin } = process
    const finish = (line: string, more: string) => {
      rest = more
      stdin.off('data', onData)
      stdin.off('end', onEnd)
      stdin.pause()
      resolve(line)
    }
    const cut = () => {
      const end = rest.indexOf('\n')
      if (end >= 0) finish(rest.slice(0, end), rest.slice(end + 1))
      return end >= 0
    }
    const onData = (chunk: Uint8Array | string) => {
      rest += chunk.toString()
      cut()
    }
    const onEnd = () => finish(rest, '')
    if (cut()) return
    stdin.on('data', onData)
    stdin.on('end', onEnd)
    stdin.resume()
  })
}
