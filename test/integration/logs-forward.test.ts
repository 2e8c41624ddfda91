// Containers whose output goes elsewhere: what collectors receive, against what a real dockerd sends; and what becomes of it while they are away.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { eventually, must } from '../harness/command.ts'
import { type LogEngines, startLogEngines, untilExited } from '../harness/log-engines.ts'
import { freePort, receiveTcp, receiveUdp, type Receiver } from '../harness/log-receivers.ts'
import { unpackAll } from '../harness/msgpack.ts'

let engines: LogEngines

before(async () => {
  engines = await startLogEngines()
})

after(async () => {
  await engines[Symbol.asyncDispose]()
})

/** Written slowly enough that the two streams come in one order. */
const SCRIPT = `echo first; sleep 0.3; echo '<bad> "é"' >&2; sleep 0.3; echo; head -c 20000 /dev/zero | tr '\\0' x; echo; sleep 0.3; echo last`

/** Runs the same in our engine and in theirs; both are through when this resolves. */
async function runBoth(options: readonly string[]): Promise<string> {
  const { engine, image, realDocker, real } = engines
  const args = ['run', '-d', '--network', 'none', '--name', 'teller', ...options, image, 'sh', '-c', SCRIPT]
  const ours = await engine.ok(...args)
  await untilExited(engine, ours)
  if (real !== undefined) {
    const theirs = await realDocker(...args)
    assert.equal(theirs.code, 0, theirs.stderr)
    await realDocker('wait', 'teller')
    await realDocker('rm', '-f', 'teller')
  }
  return ours
}

/** What two daemons can't have in common. */
function withoutChance(text: string): string {
  return text
    .replace(/[0-9a-f]{64}/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'SHORT')
    .replace(/\[\d+\]:/g, '[PID]:')
    .replace(/ \d+ (\S+) - /g, ' PID $1 - ')
    .replace(/[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d/g, 'STAMP')
    .replace(/\d{4}-\d\d-\d\dT[\d:]+(\.\d{6})?(Z|[+-]\d\d:\d\d)/g, 'TIME$1'.slice(0, 4))
    .replace(/x{100,}/g, (run) => `x*${run.length}`)
}

async function untilBoth(receiver: Receiver, last: string): Promise<[string, string]> {
  const { real } = engines
  const count = real === undefined ? 1 : 2
  await eventually(`the collector has heard of ${last}`, 60_000, () => receiver.text().split(last).length > count)
  const text = withoutChance(receiver.text())
  const end = text.indexOf(last) + last.length
  return real === undefined ? [text, text] : [text.slice(0, end), text.slice(end).replace(/^\n?/, '')]
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

describe('syslog', () => {
  for (const format of ['rfc3164', 'rfc5424', 'rfc5424micro', ''])
    for (const transport of ['tcp', 'udp'])
      test(`${format || 'the default format'} over ${transport} is what dockerd sends`, async () => {
        await using receiver = transport === 'tcp' ? await receiveTcp() : await receiveUdp()
        const address = `syslog-address=${transport}://127.0.0.1:${receiver.port}`
        const options = ['syslog-facility=local3', `syslog-format=${format}`, 'tag={{.Name}}/x'].flatMap((each) => [
          '--log-opt',
          each,
        ])
        const id = await runBoth(['--log-driver', 'syslog', '--log-opt', address, ...options])
        const [ours, theirs] = await untilBoth(receiver, 'last')
        assert.deepEqual(lines(ours), lines(theirs))
        assert.match(ours, /^<158>.*first/) // local3, info
        assert.match(ours, /<155>.*<bad>/) // local3, error
        const read = await engines.engine.docker(['logs', id])
        assert.match(read.stdout, /^first\n\nx{20000}\nlast\n$/)
        await engines.engine.ok('rm', id)
      })

  test('a unix socket that is away for a while, and not there when the engine comes back', async () => {
    const { engine, image } = engines
    const path = join(engine.directory, 'syslog.sock')
    const log = ['--log-driver', 'syslog', '--log-opt', `syslog-address=unix://${path}`]
    const refused = await engine.docker(['run', '--rm', ...log, image, 'true'])
    assert.match(refused.stderr, new RegExp(`stat ${path}: no such file or directory`))
    let id: string
    {
      await using receiver = await receiveTcp({ path })
      id = await engine.ok('run', '-d', ...log, image, 'sh', '-c', 'echo one; sleep 1000')
      await eventually('the first arrives', 30_000, () => receiver.text().includes('one'))
    }
    await engine.killEngine()
    await engine.start()
    await engine.ok('exec', id, 'sh', '-c', 'echo two >/proc/1/fd/1')
    await using receiver = await receiveTcp({ path })
    await eventually('what was written meanwhile arrives', 60_000, () => receiver.text().includes('two'))
    await engine.ok('rm', '-f', id)
  })

  test('tcp+tls with a certificate of its own, and its lengths in front', async () => {
    const { engine, image } = engines
    const directory = engine.directory
    const make = `openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost`
    await must(['sh', '-c', `cd '${directory}' && ${make} 2>/dev/null`])
    const [key, cert] = [readFileSync(join(directory, 'key.pem')), readFileSync(join(directory, 'cert.pem'))]
    await using receiver = await receiveTcp({ tls: { key, cert } })
    const log = ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp+tls://localhost:${receiver.port}`]
    const trusted = ['--log-opt', `syslog-tls-ca-cert=${directory}/cert.pem`, '--log-opt', 'syslog-format=rfc5424']
    await engine.ok('run', '--rm', ...log, ...trusted, image, 'echo', 'secret')
    await eventually('it arrives', 30_000, () => receiver.text().includes('secret'))
    const [, length = '', rest = ''] = /^(\d+) (.*\n)$/s.exec(receiver.text()) ?? []
    assert.equal(Number(length), Buffer.byteLength(rest))
    const refused = await engine.docker(['run', '--rm', ...log, image, 'echo', 'secret'])
    assert.match(refused.stderr, /failed to initialize logging driver: .*certificate/)
  })
})

describe('gelf', () => {
  const messagesOf = ({ messages }: Receiver) => {
    const chunks = new Map<string, Buffer[]>()
    const whole = messages.flatMap((message) => {
      if (message[0] !== 0x1e) return [message]
      const id = message.toString('hex', 2, 10)
      const parts = chunks.get(id) ?? []
      chunks.set(id, parts)
      parts[message[10] ?? 0] = message.subarray(12)
      return parts.filter(Boolean).length === message[11] ? [Buffer.concat(parts)] : []
    })
    return whole.map((message) => (message[0] === 0x1f ? gunzipSync(message) : message).toString())
  }

  for (const compression of ['gzip', 'none'])
    test(`over UDP with ${compression}, in chunks where it is long`, async () => {
      await using receiver = await receiveUdp()
      const address = [
        '--log-opt',
        `gelf-address=udp://127.0.0.1:${receiver.port}`,
        '--log-opt',
        `gelf-compression-type=${compression}`,
      ]
      const attributes = ['--label', 'tier=front', '-e', '_x=1', '--log-opt', 'labels=tier', '--log-opt', 'env=_x']
      const id = await runBoth(['--log-driver', 'gelf', ...address, ...attributes])
      await eventually('all has come', 60_000, () => messagesOf(receiver).length >= (engines.real ? 10 : 5))
      const texts = messagesOf(receiver).map((text) =>
        withoutChance(text)
          .replace(/"timestamp":[\d.]+/, '"timestamp":T')
          .replace(/"_created":"[^"]*"/, '"_created":T'),
      )
      assert.match(texts[0] ?? '', /"short_message":"first".*"_tier":"front"/)
      if (engines.real) assert.deepEqual(texts.slice(0, 5), texts.slice(5))
      await engines.engine.ok('rm', id)
    })

  test('over TCP each message ends in a zero', async () => {
    await using receiver = await receiveTcp()
    const id = await runBoth(['--log-driver', 'gelf', '--log-opt', `gelf-address=tcp://127.0.0.1:${receiver.port}`])
    await untilBoth(receiver, '"short_message":"last"')
    // A connection of the check at the start sends nothing.
    const [ours = [], theirs = ours] = receiver.messages
      .filter((bytes) => bytes.length > 0)
      .map((bytes) => withoutChance(bytes.toString()).split('\0'))
    const shape = (messages: string[]) =>
      messages.map((each) => each.replace(/"(timestamp|_created)":("[^"]*"|[\d.]+)/g, '$1'))
    assert.equal(ours.length, 6) // and nothing behind the last zero
    assert.deepEqual(shape(ours), shape(theirs))
    await engines.engine.ok('rm', id)
  })
})

describe('fluentd', () => {
  const comparable = (value: unknown) =>
    JSON.stringify(value, (_key, each: unknown) =>
      each !== null && typeof each === 'object' && !Array.isArray(each)
        ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
        : each,
    )

  for (const precise of [false, true])
    test(`messages are dockerd's${precise ? ', with nanoseconds' : ''}`, async () => {
      await using receiver = await receiveTcp()
      const options = [
        `fluentd-address=127.0.0.1:${receiver.port}`,
        'tag=docker.{{.Name}}',
        `fluentd-sub-second-precision=${precise}`,
      ]
      const id = await runBoth(['--log-driver', 'fluentd', ...options.flatMap((each) => ['--log-opt', each])])
      await eventually('all has come', 60_000, () => receiver.text().split('last').length >= (engines.real ? 5 : 3))
      // A connection of the check at the start sends nothing.
      const [ours = [], theirs = ours] = receiver.messages
        .filter((bytes) => bytes.length > 0)
        .map((bytes) => unpackAll(bytes))
      const shape = (messages: unknown[]) =>
        messages.map((message) => {
          const [tag, time, record, more] = message as [string, unknown, Record<string, string>, unknown]
          return [tag, typeof time, withoutChance(comparable(record)), more]
        })
      assert.equal(ours.length, 6)
      assert.deepEqual(shape(ours), shape(theirs))
      await engines.engine.ok('rm', id)
    })

  test('a message that was to be confirmed is sent again until it is', async () => {
    const { engine, image } = engines
    let connections = 0
    await using receiver = await receiveTcp({
      answer(socket, chunk) {
        connections++
        if (connections < 3) return void socket.destroy() // the first ones are lost
        for (const [, , , options] of unpackAll(chunk) as [unknown, unknown, unknown, { chunk: string }][])
          socket.write(
            Buffer.concat([
              Buffer.from([0x81, 0xa3]),
              Buffer.from('ack'),
              Buffer.from([0xa0 | options.chunk.length]),
              Buffer.from(options.chunk),
            ]),
          )
      },
    })
    const options = [`fluentd-address=127.0.0.1:${receiver.port}`, 'fluentd-request-ack=true']
    await engine.ok(
      'run',
      '--rm',
      '--log-driver',
      'fluentd',
      ...options.flatMap((each) => ['--log-opt', each]),
      image,
      'echo',
      'confirmed',
    )
    await eventually('it was sent a third time', 60_000, () => receiver.text().split('confirmed').length === 4)
  })
})

describe('a collector that is not there', () => {
  test('keeps a container from starting, in dockerd’s words', async () => {
    const { engine, image, realDocker, real } = engines
    const port = await freePort()
    for (const options of [
      ['--log-driver', 'syslog', '--log-opt', `syslog-address=tcp://127.0.0.1:${port}`],
      ['--log-driver', 'gelf', '--log-opt', `gelf-address=tcp://127.0.0.1:${port}`],
      ['--log-driver', 'fluentd', '--log-opt', `fluentd-address=127.0.0.1:${port}`],
    ]) {
      const args = ['run', '--rm', '--network', 'none', ...options, image, 'true']
      const ours = await engine.docker(args)
      assert.match(ours.stderr, new RegExp(`dial tcp 127.0.0.1:${port}: connect: connection refused`))
      if (real === undefined) continue
      const words = (text: string) => text.replace('failed to create task for container: ', '').split('\n')[0]
      assert.equal(words(ours.stderr), words((await realDocker(...args)).stderr))
    }
  })

  test('keeps nobody waiting who runs: all comes when it is back, also over a kill -9 of the engine', async () => {
    const { engine, image } = engines
    const port = await freePort()
    const options = [
      '--log-driver',
      'fluentd',
      '--log-opt',
      `fluentd-address=127.0.0.1:${port}`,
      '--log-opt',
      'fluentd-async=true',
    ]
    const id = await engine.ok('run', '-d', ...options, image, 'sh', '-c', 'seq 1 5000; sleep 1000')
    await eventually('it is written', 30_000, async () => (await engine.ok('logs', '-n', '1', id)) === '5000')
    await engine.killEngine()
    await engine.start()
    const numbers = (receiver: Receiver) =>
      receiver.messages
        .flatMap((bytes) => unpackAll(bytes))
        .map((message) => Number((message as [string, unknown, { log: string }])[2].log))
    {
      await using receiver = await receiveTcp({ port })
      await eventually('all has come', 60_000, () => numbers(receiver).at(-1) === 5000)
      assert.deepEqual(
        numbers(receiver),
        Array.from({ length: 5000 }, (_, index) => index + 1),
      )
      await eventually('the cursor is kept', 30_000, () =>
        readFileSync(`${engine.directory}/data/containers/${id}/log-forward.json`, 'utf8').includes('offset'),
      )
    }
    // Nothing is sent twice when nothing was lost.
    await engine.killEngine()
    await engine.start()
    await using receiver = await receiveTcp({ port })
    await engine.ok('exec', id, 'sh', '-c', 'echo 5001 >/proc/1/fd/1')
    await eventually('what follows comes', 60_000, () => numbers(receiver).includes(5001))
    assert.deepEqual(numbers(receiver), [5001])
    await engine.ok('rm', '-f', id)
  })
})

test('what is forwarded is read back from the local copy, unless that is disabled', async () => {
  const { engine, image } = engines
  await using receiver = await receiveUdp()
  const options = ['--log-driver', 'syslog', '--log-opt', `syslog-address=udp://127.0.0.1:${receiver.port}`]
  const id = await engine.ok('run', '-d', ...options, '--log-opt', 'cache-disabled=true', image, 'echo', 'x')
  await untilExited(engine, id)
  assert.match((await engine.docker(['logs', id])).stderr, /configured logging driver does not support reading/)
  await eventually('it is sent all the same', 30_000, () => receiver.text().includes('x\n'))
  assert.deepEqual(JSON.parse(await engine.ok('info', '-f', '{{json .Plugins.Log}}')), [
    'fluentd',
    'gelf',
    'journald',
    'json-file',
    'local',
    'syslog',
  ])
})
