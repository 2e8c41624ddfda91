// A terminal that hands every byte on as it is, in both directions.

/**
 * Puts the terminal of standard input into raw mode; the returned function puts it back as it was. Node's own raw mode goes on
 * changing line ends of the output, which the container's terminal has changed already.
 */
export async function makeRaw(): Promise<() => void> {
  const restore = 'Bun' in globalThis ? await makeRawByLibc() : await makeRawByStty()
  if (restore !== undefined) return restore
  process.stdin.setRawMode(true)
  return () => void process.stdin.setRawMode(false)
}

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(path: string, symbols: object): { symbols: Record<'tcgetattr' | 'tcsetattr' | 'cfmakeraw', LibcCall> }
}
type LibcCall = (...args: (number | Uint8Array)[]) => number

/** More than any libc's struct termios takes. */
const TERMIOS_BYTES = 256
const TCSANOW = 0

async function makeRawByLibc(): Promise<(() => void) | undefined> {
  try {
    const { dlopen } = (await import('bun:ffi' as string)) as BunFfi
    const { symbols } = dlopen('libc.so.6', {
      tcgetattr: { args: ['int', 'ptr'], returns: 'int' },
      tcsetattr: { args: ['int', 'int', 'ptr'], returns: 'int' },
      cfmakeraw: { args: ['ptr'], returns: 'void' },
    })
    const saved = new Uint8Array(TERMIOS_BYTES)
    if (symbols.tcgetattr(0, saved) !== 0) return undefined
    const raw = saved.slice()
    symbols.cfmakeraw(raw)
    if (symbols.tcsetattr(0, TCSANOW, raw) !== 0) return undefined
    return () => void symbols.tcsetattr(0, TCSANOW, saved)
  } catch {
    return undefined // another libc: Node's own raw mode has to do
  }
}

async function makeRawByStty(): Promise<(() => void) | undefined> {
  const { spawnSync } = await import('node:child_process')
  const stty = (...args: string[]) =>
    spawnSync('stty', args, { stdio: ['inherit', 'pipe', 'ignore'], encoding: 'utf8' })
  const saved = stty('-g')
  if (saved.status !== 0 || stty('raw', '-echo').status !== 0) return undefined
  return () => void stty(saved.stdout.trim())
}
