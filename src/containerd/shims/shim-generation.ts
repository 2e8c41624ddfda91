// What a shim wants on its standard input when it is started: the container's options, or, since containerd 2.3, parameters with the options among them.
// The first reads the second as nonsense, and some of the second read the first as if it were theirs: it has to be known beforehand.
import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'

const VERSION_MS = 10_000
const OUTPUT_BYTES_MAX = 64 << 10

/** By path and what tells that it is still the same file. */
const known = new Map<string, Promise<boolean>>()

/** Asks a program once, by `-v`. Never throws: a program that says nothing useful is of the older kind, as all were for years. */
export function wantsParameters(program: string): Promise<boolean> {
  const { ino, mtimeMs, size } = statSync(program, { throwIfNoEntry: false }) ?? { ino: 0, mtimeMs: 0, size: 0 }
  const key = `${program} ${ino} ${mtimeMs} ${size}`
  const asked = known.get(key) ?? askVersion(program).then(isOfParameters)
  known.set(key, asked)
  return asked
}

/** Shims on containerd's own library print its version in this form; others that look alike do not name Go's. */
export function isOfParameters(text: string): boolean {
  const [, major, minor] = /^ {2}Version: +v?(\d+)\.(\d+)\..*\n {2}Revision:.*\n {2}Go version:/m.exec(text) ?? []
  if (major === undefined || minor === undefined) return false
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 3)
}

function askVersion(program: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: VERSION_MS, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES_MAX } as const
    const child = execFile(program, ['-v'], options, (_error, stdout) => resolve(stdout))
    child.stdin?.on('error', () => {}) // it does not read
    child.stdin?.end()
  })
}
