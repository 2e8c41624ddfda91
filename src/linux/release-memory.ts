// What a burst of bytes leaves behind. V8 counts buffers' bytes loosely and collects when some 60 MB of them are dead; a daemon
// that has pulled an image and then only waits would keep them for hours.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { libcIntFunction } from './libc.ts'

const DELAY_MS = 1_000

const trim = libcIntFunction('malloc_trim', 'size_t')
let timer: NodeJS.Timeout | undefined
let collect: (() => void) | undefined

/** Call it when much has passed through: a second after the last call, memory that nothing uses goes back to the kernel. Takes some 10 ms then. */
export function releaseMemorySoon(): void {
  clearTimeout(timer)
  timer = setTimeout(release, DELAY_MS).unref()
}

function release(): void {
  collect ??= findCollector()
  collect()
  try {
    trim(0)
  } catch {
    // only glibc's allocator keeps so much, and only glibc has the function
  }
}

/** Node has a name for it only when started with a flag; V8 looks at the flag whenever it makes a context. */
function findCollector(): () => void {
  setFlagsFromString('--expose-gc')
  const found = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return found
}
