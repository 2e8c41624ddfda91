// The lines of progress that a pull sends: JSON objects that end with CRLF, as Docker's clients parse and show them.
import type { ProgressMessage } from '../../api/image-types.ts'
import type { ApiVersion } from '../http/route.ts'

const BAR_WIDTH = 50
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Go's encoder writes `<`, `>` and `&` as escapes; all parsers read both, but tests of clients compare bytes. */
export function encodeProgress(message: ProgressMessage): string {
  const text = JSON.stringify(message).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
  return `${text}\r\n`
}

export function layerMessage(
  version: ApiVersion,
  id: string,
  status: string,
  detail: { current?: number; total?: number } = {},
): ProgressMessage {
  const { current, total } = detail
  const bar = current !== undefined && total !== undefined && !version.atLeast('1.52')
  return { status, progressDetail: detail, ...(bar ? { progress: progressBar(current, total) } : {}), id }
}

export function errorMessage(version: ApiVersion, message: string): ProgressMessage {
  return { errorDetail: { message }, ...(version.atLeast('1.53') ? {} : { error: message }) }
}

/** `[====>      ]  2.5MB/10MB`: what clients show that do not draw their own. */
export function progressBar(current: number, total: number): string {
  if (total <= 0) return humanSize(current).padStart(8)
  const filled = Math.min(BAR_WIDTH, Math.floor((current / total) * BAR_WIDTH))
  const bar = `${'='.repeat(filled)}>${' '.repeat(BAR_WIDTH - filled)}`
  return `[${bar}] ${humanSize(current).padStart(8)}/${humanSize(total)}`
}

/** Powers of 1000, four digits, as Docker prints sizes. */
function humanSize(bytes: number): string {
  let size = bytes
  let unit = 0
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000
    unit++
  }
  return `${Number(size.toPrecision(4))}${UNITS[unit]}`
}
