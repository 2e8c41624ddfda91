// The journald driver: fields in systemd's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), an entry a datagram.
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { formatRfc3339Nano } from '../../../base/clock.ts'
import type { Kernel } from '../../../linux/kernel.ts'
import { shortId } from '../../../base/ids.ts'
import { invalid } from '../go-values.ts'
import type { LocalEntry } from '../local-entry.ts'
import { DEFAULT_TAG, expandTag, extraAttributes, type LoggedContainer } from '../log-info.ts'
import type { ForwardDriver } from './forward-driver.ts'
import { connectTransport } from './transport.ts'

export const JOURNAL_SOCKET = '/run/systemd/journal/socket'
const PRIORITY = { error: '3', info: '6' }

export function openJournald(kernel: Kernel, record: LoggedContainer): ForwardDriver {
  const fields = journalFields(record)
  return {
    isNeededAtStart: true,
    async connect() {
      if (!existsSync(JOURNAL_SOCKET)) throw invalid('journald is not enabled on this host')
      const transport = await connectTransport(kernel, { kind: 'unixgram', path: JOURNAL_SOCKET })
      const epoch = randomBytes(32).toString('hex')
      let ordinal = 0
      return {
        send: (entries) =>
          transport.send(
            entries.map((entry) =>
              encodeJournalEntry(entry, {
                ...fields,
                CONTAINER_LOG_EPOCH: epoch,
                CONTAINER_LOG_ORDINAL: String(++ordinal),
              }),
            ),
          ),
        close: () => transport.close(),
      }
    },
  }
}

/** Those that all of a container's entries have. */
export function journalFields(record: LoggedContainer): Record<string, string> {
  const tag = expandTag(record, DEFAULT_TAG)
  return {
    CONTAINER_ID: shortId(record.id),
    CONTAINER_ID_FULL: record.id,
    CONTAINER_NAME: record.name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: record.config.Image ?? '',
    SYSLOG_IDENTIFIER: tag,
    ...extraAttributes(record, fieldName),
  }
}

/** Capital letters, digits and underscores, none of these in front: what journald takes from a client. */
export function fieldName(name: string): string {
  return name
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '')
}

export function encodeJournalEntry(entry: LocalEntry, fields: Readonly<Record<string, string>>): Buffer {
  const { partial, timeNs } = entry
  const more = {
    ...fields,
    SYSLOG_TIMESTAMP: formatRfc3339Nano(Number(timeNs / 1_000_000n), Number(timeNs % 1_000_000n)),
    ...(partial && {
      CONTAINER_PARTIAL_ID: partial.id,
      CONTAINER_PARTIAL_ORDINAL: String(partial.ordinal),
      CONTAINER_PARTIAL_LAST: String(partial.isLast),
      ...(partial.isLast ? {} : { CONTAINER_PARTIAL_MESSAGE: 'true' }),
    }),
  }
  return Buffer.concat([
    encodeField('PRIORITY', Buffer.from(entry.isStderr ? PRIORITY.error : PRIORITY.info)),
    encodeField('MESSAGE', entry.line),
    ...Object.entries(more).map(([name, value]) => encodeField(name, Buffer.from(value))),
  ])
}

/** A value of several lines has its length before it. */
function encodeField(name: string, value: Buffer): Buffer {
  if (!/^[A-Z][A-Z0-9_]*$/.test(name)) return Buffer.alloc(0) // journald would drop it, and with it the whole entry
  if (!value.includes(0x0a)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')])
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(value.length))
  return Buffer.concat([Buffer.from(`${name}\n`), size, value, Buffer.from('\n')])
}
