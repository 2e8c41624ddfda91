// POST /images/create with its progress on a terminal: one line per layer, redrawn in place; plain lines elsewhere.
import { Failure } from '../base/failure.ts'
import { familiarName, parseReference, withDefaultTag } from '../oci/parse-reference.ts'
import { readJsonLines } from '../wire/json-stream.ts'
import type { Shell } from './command.ts'
import { readAuthHeader } from './connection/credentials.ts'
import { formatSize } from './format/moments.ts'
import { TransferRates } from './format/transfer-rate.ts'
import { type OutputFd, print, terminalSize } from './terminal/streams.ts'

export interface ProgressMessage {
  id?: string
  status?: string
  stream?: string
  progress?: string
  aux?: unknown
  error?: string
  errorDetail?: { message?: string }
  progressDetail?: Progress
}

interface Progress {
  current?: number
  total?: number
  units?: string
  hidecounts?: boolean
}

export interface PullOptions {
  platform: string | undefined
  isQuiet: boolean
  /** Where progress is shown. */
  fd: OutputFd
  /** Every tag of the repository. */
  allTags?: boolean
  /** A credential helper that does not work is a failure. */
  needsCredentials?: boolean
}

/** Throws what the engine reports in band. */
export async function pullImage(shell: Shell, image: string, options: PullOptions): Promise<void> {
  const reference = options.allTags ? parseReference(image) : withDefaultTag(parseReference(image))
  const body = await shell.connection.open({
    method: 'POST',
    path: '/images/create',
    query: {
      fromImage: familiarName(reference),
      tag: reference.digest ?? reference.tag,
      platform: options.platform?.toLowerCase(),
    },
    headers: await readAuthHeader(image, shell.config, shell.env, options.needsCredentials),
  })
  await showProgress(readJsonLines(body), options.isQuiet ? undefined : options.fd)
}

/** Draws until the stream ends. Also without output every error is thrown. What is for programs goes to `onAux`. */
export async function showProgress(
  messages: AsyncIterable<unknown>,
  fd: OutputFd | undefined,
  onAux: (value: unknown) => void = () => {},
): Promise<void> {
  const isTerminal = fd !== undefined && terminalSize(fd) !== undefined
  const draw = makeDrawing(isTerminal, () => (fd === undefined ? 0 : terminalSize(fd)?.columns) || 200)
  for await (const value of messages) {
    const message = value as ProgressMessage
    if (message.aux !== undefined && message.aux !== null) {
      onAux(message.aux)
      continue
    }
    if (message.errorDetail?.message !== undefined) throw new Failure('internal', message.errorDetail.message)
    const text = draw(message)
    if (fd !== undefined) print(fd, text)
  }
}

/** What to print for each message in turn. On a terminal a layer's line keeps its place: up, rewrite, down again. */
export function makeDrawing(
  isTerminal: boolean,
  columns: () => number,
  now: () => number = Date.now,
): (message: ProgressMessage) => string {
  const lines = new Map<string, number>()
  const rates = new TransferRates(now)
  return (message) => {
    const { id = '', progressDetail, progress = '' } = message
    let up = 0
    let before = ''
    if (id !== '' && (progressDetail || progress !== '')) {
      if (!lines.has(id)) {
        lines.set(id, lines.size)
        before = '\n'
      }
      up = lines.size - (lines.get(id) ?? 0)
      before += `\x1b[${up}A`
    } else lines.clear() // lines that were printed meanwhile would be counted wrongly
    const text = formatMessage(message, isTerminal, columns, rates)
    if (!isTerminal) return text
    return `${before}${text}${id !== '' && up > 0 ? `\x1b[${up}B` : ''}`
  }
}

function formatMessage(
  message: ProgressMessage,
  isTerminal: boolean,
  columns: () => number,
  rates: TransferRates,
): string {
  const { id = '', status = '', stream = '', progress = '', progressDetail } = message
  const head = id === '' ? '' : `${id}: `
  if (isTerminal && stream === '' && progressDetail)
    return `\x1b[2K\r${head}${status} ${formatProgress(progressDetail, columns())}${rateOf(message, columns(), rates)}\r`
  const bar = progressDetail ? formatProgress(progressDetail, columns()) : ''
  if (bar !== '') return isTerminal ? `${head}${status} ${bar}` : ''
  if (progress !== '') return `${head}${status} ${progress}`
  return stream === '' ? `${head}${status}\n` : `${head}${stream}`
}

function rateOf(
  { id = '', status = '', progressDetail }: ProgressMessage,
  columns: number,
  rates: TransferRates,
): string {
  const { current = 0, total = 0, units = '' } = progressDetail ?? {}
  if (units !== '' || total <= 0) return ''
  return rates.describe(id, status, current, total, columns, columns > BAR_MIN_COLUMNS)
}

const BAR_WIDTH = 50
const BAR_MIN_COLUMNS = 110

function formatProgress({ current = 0, total = 0, units = '', hidecounts = false }: Progress, columns: number): string {
  if (current <= 0 && total <= 0) return ''
  const amount = (value: number) => (units === '' ? formatSize(value) : `${value} ${units}`)
  if (total <= 0) return units === '' ? amount(current).padStart(8) : amount(current)
  const full = Math.min(BAR_WIDTH, Math.trunc(Math.trunc((current / total) * 100) / 2))
  const bar = columns > BAR_MIN_COLUMNS ? `[${'='.repeat(full)}>${' '.repeat(BAR_WIDTH - full)}] ` : ''
  if (hidecounts) return bar
  if (units !== '') return `${bar}${current > total ? `${current} ${units}` : `${current}/${total} ${units}`}`
  return `${bar}${amount(current).padStart(8)}${current > total ? '' : `/${amount(total)}`}`
}
