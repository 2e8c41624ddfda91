// POST /images/create with its progress on a terminal: one line per layer, redrawn in place; plain lines elsewhere.
import type { Writable } from 'node:stream'
import { Failure } from '../base/failure.ts'
import { readJsonLines } from '../wire/json-stream.ts'
import type { Shell } from './command.ts'
import { readAuthHeader } from './connection/credentials.ts'

export interface ProgressMessage {
  id?: string
  status?: string
  stream?: string
  error?: string
  errorDetail?: { message?: string }
  progressDetail?: { current?: number; total?: number }
}

/** `name`, `name:tag` or `name@digest`. Throws what the engine reports in band. */
export async function pullImage(
  shell: Shell,
  image: string,
  options: {
    platform?: string | undefined
    isQuiet: boolean
    output: Writable & { isTTY?: boolean; columns?: number }
  },
): Promise<void> {
  const { name, tag } = splitReference(image)
  const response = await shell.connection.open({
    method: 'POST',
    path: '/images/create',
    query: { fromImage: name, tag, platform: options.platform },
    headers: readAuthHeader(name, shell.env),
  })
  await showProgress(readJsonLines(response), options.isQuiet ? undefined : options.output)
}

/** Draws until the stream ends. Also without output every error is thrown. */
export async function showProgress(
  messages: AsyncIterable<unknown>,
  output: (Writable & { isTTY?: boolean; columns?: number }) | undefined,
): Promise<void> {
  const lines: string[] = []
  for await (const value of messages) {
    const message = value as ProgressMessage
    const error = message.errorDetail?.message ?? message.error
    if (error !== undefined) throw new Failure('unknown', error)
    if (output === undefined) continue
    const text = formatMessage(message, output.columns ?? 80)
    if (message.id === undefined || message.progressDetail === undefined) {
      output.write(`${text}\n`)
      if (output.isTTY) lines.push('')
    } else if (output.isTTY) drawLine(output, lines, message.id, text)
    else if (message.progressDetail.current === undefined) output.write(`${text}\n`)
  }
}

/** The line of a layer keeps its place: up, rewrite, down again. */
function drawLine(output: Writable, lines: string[], id: string, text: string): void {
  let index = lines.indexOf(id)
  if (index < 0) {
    index = lines.push(id) - 1
    output.write('\n')
  }
  const up = lines.length - index
  output.write(`\x1b[${up}A\r\x1b[2K${text}\x1b[${up}B\r`)
}

function formatMessage(message: ProgressMessage, columns: number): string {
  const head = message.id === undefined ? '' : `${message.id}: `
  const { current = 0, total = 0 } = message.progressDetail ?? {}
  const bar = total > 0 && current > 0 ? ` ${formatBar(current, total, columns)}` : ''
  return `${head}${message.status ?? message.stream ?? ''}${bar}`
}

const BAR_WIDTH = 50
const BAR_MIN_COLUMNS = 110

function formatBar(current: number, total: number, columns: number): string {
  const numbers = `${formatSize(current)}/${formatSize(total)}`
  if (columns < BAR_MIN_COLUMNS) return numbers
  const full = Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH))
  return `[${'='.repeat(full)}${full < BAR_WIDTH ? '>' : ''}${' '.repeat(Math.max(0, BAR_WIDTH - full - 1))}]  ${numbers}`
}

/** Decimal units with four significant digits, as go-units' HumanSize. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes
  let unit = 0
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${Number(value.toPrecision(4))}${units[unit]}`
}

/** The tag is what follows a colon in the last component; without tag and digest it is `latest`. */
export function splitReference(image: string): { name: string; tag: string } {
  const at = image.indexOf('@')
  if (at >= 0) return { name: image.slice(0, at).replace(/:[^/:]+$/, ''), tag: image.slice(at + 1) }
  const colon = image.lastIndexOf(':')
  if (colon > image.lastIndexOf('/')) return { name: image.slice(0, colon), tag: image.slice(colon + 1) }
  return { name: image, tag: 'latest' }
}
