// One line of Docker's json-file log, found in a buffer without JSON.parse: `{"log":"…\n","stream":"stdout","time":"…Z"}`.
//
// Our shim writes exactly these bytes, so a line's tail can be read backwards. Whatever looks different goes through JSON.parse.

export interface LogEntry {
  /** What the process wrote; a whole line ends in a newline, a part of a long one does not. */
  payload: Buffer
  stream: 'stdout' | 'stderr'
  /** RFC 3339 as it stands in the log. */
  time: string
  attributes: Readonly<Record<string, string>>
}

/** Where the parts of a line of the usual form are, as offsets into the buffer that holds it. */
export interface LineParts {
  payloadStart: number
  payloadEnd: number
  isStderr: boolean
  timeStart: number
  timeEnd: number
}

const HEAD = Buffer.from('{"log":"')
const TIME_LENGTH_MAX = 35
const QUOTE = 0x22
/** `","stream":"stdout","time":"`, compared from its end; the three letters of the stream's name are looked at apart. */
const MIDDLE = Buffer.from('","stream":"stdout","time":"')
const STREAM_LETTERS = MIDDLE.indexOf('out"')
const OUT = Buffer.from('out')
const ERR = Buffer.from('err')

/**
 * Reads the line `buffer[start, end)` (without its newline) if it has the usual form, and fills `parts`.
 * False: the line is of another form or damaged.
 */
export function locateParts(buffer: Buffer, start: number, end: number, parts: LineParts): boolean {
  if (end - start < HEAD.length + MIDDLE.length + 2) return false
  for (let i = 0; i < HEAD.length; i++) if (buffer[start + i] !== HEAD[i]) return false
  if (buffer[end - 1] !== 0x7d || buffer[end - 2] !== QUOTE) return false
  const timeEnd = end - 2
  let timeStart = timeEnd
  while (timeEnd - timeStart <= TIME_LENGTH_MAX && buffer[timeStart - 1] !== QUOTE) timeStart--
  const payloadEnd = timeStart - MIDDLE.length
  if (payloadEnd < start + HEAD.length) return false
  for (let i = 0; i < MIDDLE.length; i++) {
    if (i < STREAM_LETTERS || i >= STREAM_LETTERS + 3) if (buffer[payloadEnd + i] !== MIDDLE[i]) return false
  }
  const letters = payloadEnd + STREAM_LETTERS
  const isStderr = startsWith(buffer, letters, ERR)
  if (!isStderr && !startsWith(buffer, letters, OUT)) return false
  parts.payloadStart = start + HEAD.length
  parts.payloadEnd = payloadEnd
  parts.isStderr = isStderr
  parts.timeStart = timeStart
  parts.timeEnd = timeEnd
  return true
}

function startsWith(buffer: Buffer, at: number, text: Buffer): boolean {
  return buffer[at] === text[0] && buffer[at + 1] === text[1] && buffer[at + 2] === text[2]
}

/** The slow way, for lines with attributes and for those of other writers; undefined for what is no log entry. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  let value: unknown
  try {
    value = JSON.parse(line.toString('utf8'))
  } catch {
    return undefined // half a line, or bytes that a power loss left: the reader goes on with the next
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const { log, stream, time, attrs } = value as Record<string, unknown>
  if (time !== undefined && typeof time !== 'string') return undefined
  return {
    payload: Buffer.from(typeof log === 'string' ? log : '', 'utf8'),
    stream: stream === 'stderr' ? 'stderr' : 'stdout',
    time: time ?? '0001-01-01T00:00:00Z',
    attributes: stringsOf(attrs),
  }
}

function stringsOf(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(
    Object.entries(value).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  )
}

/** By the letter behind the backslash; `\"`, `\\` and `\/` stand for themselves. */
const SIMPLE_ESCAPES = new Map(Object.entries({ n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }).map(byteCodes))

function byteCodes([letter, meaning]: [string, string]): [number, number] {
  return [letter.charCodeAt(0), meaning.charCodeAt(0)]
}

/**
 * Writes the text of the JSON string body `source[start, end)` to `target` at `at`; returns the end of what was written.
 * Never writes more bytes than it reads, so a target of the source's size suffices.
 */
export function unescapeInto(source: Buffer, start: number, end: number, target: Buffer, at: number): number {
  let from = start
  let to = at
  while (from < end) {
    const byte = source[from]!
    if (byte !== 0x5c) {
      target[to++] = byte
      from++
      continue
    }
    const letter = source[from + 1]!
    if (letter !== 0x75) {
      target[to++] = SIMPLE_ESCAPES.get(letter) ?? letter
      from += 2
      continue
    }
    let unit = hexUnit(source, from + 2)
    from += 6
    if (unit >= 0xd800 && unit < 0xdc00 && source[from] === 0x5c && source[from + 1] === 0x75) {
      const low = hexUnit(source, from + 2)
      if (low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
        from += 6
      }
    }
    to = writeUtf8(target, to, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit)
  }
  return to
}

function hexUnit(source: Buffer, at: number): number {
  let value = 0
  for (let i = 0; i < 4; i++) {
    const byte = source[at + i] ?? 0
    const digit = byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57
    value = (value << 4) | (digit & 15)
  }
  return value
}

function writeUtf8(target: Buffer, at: number, point: number): number {
  if (point < 0x80) target[at++] = point
  else if (point < 0x800) {
    target[at++] = 0xc0 | (point >> 6)
    target[at++] = 0x80 | (point & 63)
  } else if (point < 0x10000) {
    target[at++] = 0xe0 | (point >> 12)
    target[at++] = 0x80 | ((point >> 6) & 63)
    target[at++] = 0x80 | (point & 63)
  } else {
    target[at++] = 0xf0 | (point >> 18)
    target[at++] = 0x80 | ((point >> 12) & 63)
    target[at++] = 0x80 | ((point >> 6) & 63)
    target[at++] = 0x80 | (point & 63)
  }
  return at
}
