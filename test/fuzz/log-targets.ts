// What logging takes from strangers: records of a local log, options, tags, addresses, a collector's answers.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { EventMessage } from '../../src/api/event-types.ts'
import type { Log } from '../../src/base/log.ts'
import { encodeEvent, parseEvent } from '../../src/engine/events/encode-event.ts'
import { EventJournal } from '../../src/engine/events/event-journal.ts'
import { checkLogConfig, LOG_DRIVERS } from '../../src/engine/logs/log-drivers.ts'
import { encodeGelf } from '../../src/engine/logs/forward/gelf.ts'
import { encodeJournalEntry, fieldName } from '../../src/engine/logs/forward/journald.ts'
import { packEvent, packSeconds, unpackAck } from '../../src/engine/logs/forward/msgpack.ts'
import { encodeSyslog } from '../../src/engine/logs/forward/syslog.ts'
import { encodeLocalAttributes } from '../../src/engine/logs/local-entry.ts'
import { LocalRecords } from '../../src/engine/logs/local-records.ts'
import { extraAttributes, fileAttributes } from '../../src/engine/logs/log-info.ts'
import { loggedContainer } from '../../src/engine/logs/logged-container.suite.ts'
import { logBounds } from '../../src/engine/logs/log-settings.ts'
import { unpackAll } from '../harness/msgpack.ts'
import type { Target } from './targets.ts'

const texts = (...samples: string[]) => samples.map((text) => Buffer.from(text))

const EVENT: EventMessage = {
  ...({ Type: 'container', Action: 'start', scope: 'local' } as const),
  ...{ Actor: { ID: 'c', Attributes: { name: 'web', a: '"timeNano":1,"berth":' } } },
  ...{ time: 1, timeNano: 1_000_000_001n, seq: 7, by: { uid: 0, gid: 0, pid: 1 } },
}
const QUIET: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** A journal as a crash, or somebody, left it. */
function journalLines(...events: EventMessage[]): Buffer {
  const lines = events.map((event) => encodeEvent(event, false))
  return Buffer.from(lines.map((line) => `${crc32(line).toString(16).padStart(8, '0')} ${line}\n`).join(''))
}

export const LOG_TARGETS: Record<string, Target> = {
  'event journal': {
    samples: [journalLines(EVENT, { ...EVENT, seq: 8, timeNano: 5n }), journalLines(EVENT)],
    async run(input) {
      const directory = mkdtempSync(join(tmpdir(), 'fuzz-journal-'))
      try {
        writeFileSync(join(directory, '0000000000000007.events'), input)
        const open = () => EventJournal.open({ directory, log: QUIET, bootId: 'b' })
        const first = open()
        const next = { ...EVENT, seq: first.lastSeq + 1 }
        first.append([next])
        first.close()
        const second = open()
        assert.equal(second.lastSeq, next.seq)
        assert.equal((await second.readPage(next.seq - 1)).at(-1)?.seq, next.seq)
        second.close()
      } finally {
        rmSync(directory, { recursive: true })
      }
    },
  },
  'event text': {
    samples: texts(encodeEvent(EVENT, false), encodeEvent(EVENT, true)),
    run(input) {
      const event = parseEvent(input.toString())
      if (event !== undefined) assert.ok(Number.isSafeInteger(event.seq))
    },
  },
  'local log': {
    samples: [record('06', 'line', '2a0a0801120269641802'), Buffer.concat([record('', 'a'), record('', 'b')])],
    run(input) {
      const records = new LocalRecords()
      const half = input.length >> 1
      for (const chunk of [input.subarray(0, half), input.subarray(half)])
        for (const { entry, end } of records.split(chunk)) {
          assert.ok(end <= chunk.length && entry.line.length <= input.length)
          encodeSyslog(
            entry,
            { address: undefined, facility: 24, format: 'rfc5424micro' },
            { hostname: 'h', tag: 't', pid: 1 },
          )
          JSON.parse(encodeGelf(entry, 'h', '"_a":"b"').toString())
          encodeJournalEntry(entry, { A: 'b' })
        }
      assert.ok(records.pendingBytes <= input.length)
    },
  },
  'log options': {
    samples: texts(
      'json-file\nmax-size=10m\nmax-file=3\ncompress=true',
      'syslog\nsyslog-address=tcp+tls://[::1]:6514\nsyslog-facility=local0',
      'fluentd\nfluentd-address=unix:///x\nfluentd-retry-wait=1m30.5s\nmode=non-blocking\nmax-buffer-size=4m',
      'gelf\ngelf-address=udp://h:1\ngelf-compression-level=-1',
    ),
    run(input) {
      const [driver = '', ...lines] = input.toString().split('\n')
      const options = Object.fromEntries(
        lines.map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]),
      )
      checkLogConfig(driver, options)
      assert.ok(driver === 'none' || LOG_DRIVERS.includes(driver))
      const { maxSizeBytes, maxFiles } = logBounds(loggedContainer({ driver, options }))
      assert.ok(maxSizeBytes >= 0 && maxFiles >= 1)
    },
  },
  'log tag': {
    samples: texts(
      '{{.Name}}/{{.ID}}{{with .ContainerLabels}}{{index . "a"}}{{end}}',
      '{{range $i, $e := .ContainerEnv}}{{$i}}{{$e | upper | printf "%20s"}}{{else}}none{{end}}',
      '{{range 9}}{{json .}}{{end}}{{pad .Name 1 2}}',
    ),
    run(input) {
      const tag = input.toString()
      const record = loggedContainer({
        options: { tag, 'labels-regex': tag, 'env-regex': '^A' },
        labels: { a: 'b' },
        env: ['A=1'],
      })
      encodeLocalAttributes(fileAttributes(record))
      for (const name of Object.keys(extraAttributes(record, fieldName))) assert.match(name, /^([A-Z0-9][A-Z0-9_]*)?$/)
    },
  },
  'fluentd answer': {
    samples: [Buffer.from('81a361636ba3786f78', 'hex'), Buffer.from(`81a361636bd918${'61'.repeat(24)}`, 'hex')],
    run(input) {
      const answer = unpackAck(input)
      assert.ok(answer === undefined || answer.size <= input.length)
      const text = input.toString()
      const [event] = unpackAll(packEvent(text, packSeconds(1_700_000_000), { log: text }, {})) as [unknown[]]
      assert.deepEqual(event, [text, 1_700_000_000, { log: text }, {}])
    },
  },
}

/** Of `time`, `line` and further fields, in hexadecimal. */
function record(time: string, line: string, more = ''): Buffer {
  const body = Buffer.concat([
    Buffer.from(`0a067374646f757410${time || '01'}1a${line.length.toString(16).padStart(2, '0')}`, 'hex'),
    Buffer.from(line),
    Buffer.from(more === '' ? '' : `2001${more}`, 'hex'),
  ])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  return Buffer.concat([length, body, length])
}
