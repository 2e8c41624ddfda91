// One command of a client and the memory that it takes, in itself and in the daemons and helpers that work for it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import type { Argv, ImageSide } from './image-sides.ts'
import { interruption } from './interruption.ts'
import { rssBytes } from './peers.ts'

export interface Watched {
  /** Milliseconds. */
  elapsed: number
  /** Most that all of them held at one time, bytes resident. */
  peakBytes: number
}

const EVERY_MS = 40
const OUTPUT_BYTES_MAX = 64 * 1024

/** Throws what the command has printed if it fails. */
export async function watch(side: ImageSide, [program = '', ...words]: Argv): Promise<Watched> {
  interruption.throwIfAborted()
  const roots = side.daemons()
  const start = process.hrtime.bigint()
  const child = spawn(program, words, { env: { ...process.env, ...side.env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => {
      output = (output + part.toString()).slice(-OUTPUT_BYTES_MAX)
    })
  let peakBytes = 0
  const sample = () => {
    peakBytes = Math.max(peakBytes, residentBytes([...roots, ...(child.pid === undefined ? [] : [child.pid])]))
  }
  const timer = setInterval(sample, EVERY_MS)
  const stop = () => child.kill('SIGTERM')
  interruption.addEventListener('abort', stop, { once: true })
  try {
    sample()
    const [code] = (await once(child, 'close')) as [number | null]
    const elapsed = Number(process.hrtime.bigint() - start) / 1e6
    if (code !== 0) throw new Error(`${side.name}: ${program} ${words.join(' ')}: exit ${code}\n${output}`)
    return { elapsed, peakBytes }
  } finally {
    clearInterval(timer)
    interruption.removeEventListener('abort', stop)
  }
}

/** Of these processes and what they have started; what runs as a container, and its shim, has parents elsewhere. */
function residentBytes(roots: readonly number[]): number {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const parent = parentOf(Number(name))
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)])
  }
  const counted = new Set<number>()
  const visit = (pid: number) => {
    if (counted.has(pid)) return
    counted.add(pid)
    for (const child of children.get(pid) ?? []) visit(child)
  }
  for (const root of roots) visit(root)
  return [...counted].reduce((sum, pid) => sum + residentOf(pid), 0)
}

function residentOf(pid: number): number {
  try {
    return rssBytes(pid)
  } catch {
    return 0 // it ended while we looked
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return undefined
  }
}
