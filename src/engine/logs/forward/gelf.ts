// The gelf driver: a JSON object a line, compressed and cut into chunks over UDP, ended by a zero over TCP (Graylog Extended Log Format 1.1).
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { deflateSync, gzipSync } from 'node:zlib'
import { goJson, sortKeys } from '../../../base/go/go-json.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import { invalid } from '../go-values.ts'
import type { LocalEntry } from '../local-entry.ts'
import { commandOf, DEFAULT_TAG, expandTag, extraAttributes, logOptions, type LoggedContainer } from '../log-info.ts'
import type { ForwardDriver } from './forward-driver.ts'
import { type GelfOptions, parseGelfOptions } from './gelf-options.ts'
import { joinHostPort } from './transport-address.ts'
import { connectTransport } from './transport.ts'

const LEVEL = { error: 3, info: 6 }
const CHUNK = { size: 1420, header: 12, countMax: 128 }
const CHUNK_MAGIC = Buffer.from([0x1e, 0x0f])

export function openGelf(kernel: Kernel, record: LoggedContainer): ForwardDriver {
  const options = parseGelfOptions(logOptions(record))
  const { address } = options
  const host = hostname()
  const extra = gelfExtra(record)
  return {
    isNeededAtStart: true,
    async connect() {
      const transport = await connectTransport(kernel, address).catch((error: Error) => {
        throw invalid(
          `gelf: cannot connect to GELF endpoint: ${joinHostPort(address.host, address.port)} ${error.message}`,
        )
      })
      return {
        send: (entries) =>
          transport.send(
            entries.flatMap((entry) => (entry.line.length === 0 ? [] : pack(encodeGelf(entry, host, extra), options))),
          ),
        close: () => transport.close(),
      }
    },
  }
}

/** The part of a message that is the same for all of a container's, without its braces. */
export function gelfExtra(record: LoggedContainer): string {
  const fields = {
    _container_id: record.id,
    _container_name: record.name,
    _image_id: record.image.id,
    _image_name: record.config.Image ?? '',
    _command: commandOf(record),
    _tag: expandTag(record, DEFAULT_TAG),
    _created: record.createdAt,
    ...extraAttributes(record, (name) => (name.startsWith('_') ? name : `_${name}`)),
  }
  return goJson(sortKeys(fields), true).slice(1, -1)
}

export function encodeGelf(entry: LocalEntry, host: string, extra: string): Buffer {
  const message = {
    version: '1.1',
    host,
    short_message: entry.line.toString(),
    timestamp: Number(entry.timeNs / 1_000_000n) / 1000,
    level: entry.isStderr ? LEVEL.error : LEVEL.info,
  }
  return Buffer.from(`${goJson(message, true).slice(0, -1)},${extra}}`)
}

/** What goes over the wire for one message. */
export function pack(message: Buffer, { address, compression, level }: GelfOptions): Buffer[] {
  if (address.kind === 'tcp') return [Buffer.concat([message, Buffer.alloc(1)])]
  const packed =
    compression === 'gzip'
      ? gzipSync(message, { level })
      : compression === 'zlib'
        ? deflateSync(message, { level })
        : message
  return packed.length <= CHUNK.size ? [packed] : cut(packed)
}

/** A message that would need too many chunks is one that nobody could put together: it is dropped, as Docker drops it. */
function cut(packed: Buffer): Buffer[] {
  const dataSize = CHUNK.size - CHUNK.header
  const count = Math.floor(packed.length / dataSize) + 1
  if (count > CHUNK.countMax) return []
  const id = randomBytes(8)
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      CHUNK_MAGIC,
      id,
      Buffer.from([index, count]),
      packed.subarray(index * dataSize, (index + 1) * dataSize),
    ]),
  )
}
