// Asks an engine the exchanges of test/golden/http/exchanges.lines, and keeps of each answer what two engines have in common.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Differences } from './parity.ts'
import { maskText } from './parity-mask.ts'
import { COMMON_API_VERSION } from './parity-sides.ts'
import { ROOT } from './root.ts'

export const GOLDEN_HTTP = join(ROOT, 'test/golden/http')

/** Keys and types of a JSON text: `'string'`, a list with the shape of all its elements, an object; else the text itself, masked. */
export type Shape = string | Shape[] | { [key: string]: Shape }

export interface Answer {
  /** The line that asks, with a number where it is asked several times. */
  line: string
  status: number
  /** Name and value; of what differs between engines and moments only the name. */
  headers: string[]
  body: Shape
}

interface Exchange {
  line: string
  keepAs?: string
  upgrade: boolean
  method: string
  path: string
  type?: string
  /** Asked of the engine as soon as the connection is there. */
  after?: string
  body?: string
}

/** Each file's answers, in order; `images` busybox and configured are there. */
export async function askAll(socketPath: string): Promise<Map<string, Answer[]>> {
  const files = new Map<string, Answer[]>()
  const kept = new Map<string, string>()
  for (const [file, exchanges] of parseExchanges(readFileSync(join(GOLDEN_HTTP, 'exchanges.lines'), 'utf8'))) {
    const answers: Answer[] = []
    for (const exchange of exchanges)
      answers.push(
        await ask(socketPath, exchange, kept).catch((cause: unknown) => {
          throw new Error(`${exchange.line}: ${String(cause)}`, { cause })
        }),
      )
    files.set(file, answers)
  }
  return files
}

export function parseExchanges(text: string): Map<string, Exchange[]> {
  const files = new Map<string, Exchange[]>()
  const seen = new Map<string, number>()
  let current: Exchange[] = []
  for (const line of text.split('\n')) {
    const file = /^\[(\w+)\]$/.exec(line)?.[1]
    if (file !== undefined) {
      current = []
      files.set(file, current)
    } else if (line !== '' && !line.startsWith('#')) {
      const times = (seen.get(line) ?? 0) + 1
      seen.set(line, times)
      current.push({ ...parseExchange(line), line: times === 1 ? line : `${line} (${times})` })
    }
  }
  return files
}

function parseExchange(line: string): Omit<Exchange, 'line'> {
  const found =
    /^(upgrade )?(?:(?<keepAs>\w+)=)?(?<method>[A-Z]+) (?<path>\S+)(?: type:(?<type>\S+))?(?: after:(?<after>\S+))?(?: (?<body>.+))?$/.exec(
      line,
    )
  if (found === null) throw new Error(`no exchange: ${line}`)
  const { method = '', path = '', ...rest } = found.groups ?? {}
  const given = Object.entries(rest).filter(([, value]) => value !== undefined)
  return { method, path, upgrade: found[1] !== undefined, ...Object.fromEntries(given) }
}

async function ask(socketPath: string, exchange: Exchange, kept: Map<string, string>): Promise<Answer> {
  const { line, method, upgrade, after } = exchange
  const now = String(Math.ceil(Date.now() / 1000))
  const path = exchange.path
    .replace(/\$(\w+)/g, (_, name: string) => (name === 'NOW' ? now : (kept.get(name) ?? 'unknown')))
    .replace(/[{}"[\]]/g, (letter) => encodeURIComponent(letter))
  const body = exchange.body === '@tar' ? makeTar() : exchange.body
  const type = exchange.type ?? (exchange.body?.startsWith('{') ? 'application/json' : undefined)
  const headers = {
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(upgrade ? { connection: 'Upgrade', upgrade: 'tcp' } : {}),
  }
  const { response, bytes } = await exchangeBytes(
    { socketPath, method, path: `/v${COMMON_API_VERSION}${path}`, headers },
    body,
    async () => {
      if (after !== undefined)
        await exchangeBytes(
          { socketPath, method: 'POST', path: `/v${COMMON_API_VERSION}${after}`, headers: {} },
          undefined,
        )
    },
  )
  const text = bytes.toString('latin1')
  if (exchange.keepAs !== undefined) kept.set(exchange.keepAs, /"Id":"(\w+)"/.exec(text)?.[1] ?? 'unknown')
  const status = response.statusCode ?? 0
  return { line, status, headers: headersOf(response), body: bodyShape(status, text, [...kept.values()]) }
}

interface Asked {
  socketPath: string
  method: string
  path: string
  headers: Record<string, string>
}

async function exchangeBytes(
  asked: Asked,
  body: string | Buffer | undefined,
  connected: () => Promise<void> = async () => {},
): Promise<{ response: IncomingMessage; bytes: Buffer }> {
  const answer = new Promise<[IncomingMessage, IncomingMessage | Duplex, Buffer]>((resolve, reject) => {
    const request = httpRequest({ ...asked, timeout: 30_000, agent: false }, (plain) =>
      resolve([plain, plain, Buffer.alloc(0)]),
    )
    request.on('upgrade', (upgraded, socket, head) => {
      socket.setTimeout(30_000, () => socket.destroy(new Error(`timed out: ${asked.path}`)))
      resolve([upgraded, socket, head])
    })
    request.on('timeout', () => request.destroy(new Error(`timed out: ${asked.method} ${asked.path}`)))
    request.on('error', reject)
    request.end(body)
  })
  const [response, stream, head] = await answer
  await connected()
  const parts = [head]
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part)
  return { response, bytes: Buffer.concat(parts) }
}

/** Values that say which program answers, and when, are left out. */
function headersOf(response: IncomingMessage): string[] {
  const names = Object.keys(response.headers).filter(
    (name) => !['date', 'content-length', 'transfer-encoding', 'connection', 'keep-alive'].includes(name),
  )
  return names
    .map((name) =>
      /^(content-type|ostype|docker-experimental|upgrade|cache-control|pragma|location)$/.test(name)
        ? `${name}: ${response.headers[name]}`
        : name,
    )
    .sort()
}

function bodyShape(status: number, text: string, ids: readonly string[]): Shape {
  const masked = maskText(text, ids)
  if (status >= 400) return masked
  try {
    // One JSON text, or one a line.
    return shapeOf(JSON.parse(text.trimEnd().includes('\n') ? `[${text.trimEnd().split(/\r?\n/).join(',')}]` : text))
  } catch {
    return isArchive(text) ? 'an archive' : masked
  }
}

const isArchive = (text: string) => text.length >= 1024 && text.slice(257, 262) === 'ustar'

export function shapeOf(value: unknown): Shape {
  if (value === null) return 'null'
  if (Array.isArray(value)) return value.length === 0 ? [] : [value.map(shapeOf).reduce(mergeShapes)]
  if (typeof value !== 'object') return typeof value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, inner]) => [/^[0-9a-f]{64}$/.test(key) ? '<id>' : key, shapeOf(inner)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** Of two elements of one list. */
function mergeShapes(left: Shape, right: Shape): Shape {
  if (typeof left === 'string' || typeof right === 'string') {
    const names = [left, right].flatMap((one) => (typeof one === 'string' ? one.split(' or ') : ['object']))
    return [...new Set(names)].sort().join(' or ')
  }
  if (Array.isArray(left) || Array.isArray(right)) {
    const [a, b] = [left, right].map((one) => (Array.isArray(one) ? one[0] : undefined))
    const merged = a === undefined || b === undefined ? (a ?? b) : mergeShapes(a, b)
    return merged === undefined ? [] : [merged]
  }
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()
  return Object.fromEntries(
    keys.map((key) => {
      const [a, b] = [left[key], right[key]]
      return [key, a === undefined || b === undefined ? (a ?? b ?? 'null') : mergeShapes(a, b)]
    }),
  )
}

/** Of one file: lines that differ from what is recorded. Throws when the lines are others. */
export function compareWithGolden(file: string, asked: ReadonlyMap<string, Answer[]>): Differences {
  const recorded = JSON.parse(readFileSync(join(GOLDEN_HTTP, `${file}.json`), 'utf8')) as Answer[]
  const answers = asked.get(file) ?? []
  const differences: Differences = new Map()
  for (const [index, answer] of answers.entries()) {
    const golden = recorded[index]
    if (golden?.line !== answer.line) throw new Error(`${file} is to be recorded again: ${answer.line}`)
    const words = compareAnswers(golden, answer)
    if (words.length > 0) differences.set(answer.line, words)
  }
  return differences
}

/** What is not the same in both, a line each: `- ` the recorded one's, `+ ` ours. */
function compareAnswers(recorded: Answer, ours: Answer): string[] {
  const lines = [...compareShapes('status', String(recorded.status), String(ours.status))]
  const isHere = (list: readonly string[]) => (one: string) => !list.includes(one)
  lines.push(...recorded.headers.filter(isHere(ours.headers)).map((one) => `- header ${one}`))
  lines.push(...ours.headers.filter(isHere(recorded.headers)).map((one) => `+ header ${one}`))
  return [...lines, ...compareShapes('body', recorded.body, ours.body)]
}

function compareShapes(place: string, left: Shape | undefined, right: Shape | undefined): string[] {
  if (typeof left === 'object' && typeof right === 'object' && Array.isArray(left) === Array.isArray(right)) {
    const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])].sort()
    const at = (shape: Shape[] | { [key: string]: Shape }, key: string) =>
      Array.isArray(shape) ? shape[Number(key)] : shape[key]
    return keys.flatMap((key) =>
      compareShapes(Array.isArray(left) ? `${place}[]` : `${place}.${key}`, at(left, key), at(right, key)),
    )
  }
  if (JSON.stringify(left) === JSON.stringify(right)) return []
  const show = (shape: Shape) => (typeof shape === 'string' ? shape : JSON.stringify(shape)).trimEnd()
  return [
    ...(left === undefined ? [] : [`- ${place}: ${show(left)}`]),
    ...(right === undefined ? [] : [`+ ${place}: ${show(right)}`]),
  ]
}

function makeTar(): Buffer {
  return execFileSync('tar', ['-C', join(ROOT, 'test'), '-c', 'tidy.test.ts'])
}
