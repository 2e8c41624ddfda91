// A container's log on disk, against the bytes of a real dockerd: json-file and local, attributes, pieces of long lines, rotation.
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { LocalRecords } from '../../src/engine/logs/local-records.ts'
import { eventually } from '../harness/command.ts'
import { containerFile, type LogEngines, startLogEngines, untilExited } from '../harness/log-engines.ts'

let engines: LogEngines

before(async () => {
  engines = await startLogEngines()
})

after(async () => {
  await engines[Symbol.asyncDispose]()
})

/** Whole lines, an empty one, bytes that JSON escapes, bytes that are no UTF-8, a line of three pieces, a last line without its end. */
const SCRIPT = [
  'echo plain; echo',
  `printf 'a\\t<&>"\\\\\\001\\r\\303\\251\\377 \\342\\200\\250\\n'`,
  'sleep 0.2; head -c 40000 /dev/zero | tr "\\0" x; echo; sleep 0.2',
  'echo bad >&2; sleep 0.2; printf end',
].join('; ')

/** Runs the same in both; each one's file. */
async function both(
  name: string,
  file: (id: string) => string,
  ...options: string[]
): Promise<[Buffer, Buffer, string[]]> {
  const { engine, real, image, realDocker } = engines
  const args = ['run', '-d', '--name', name, '--network', 'none', ...options, image, 'sh', '-c', SCRIPT]
  const ours = await engine.ok(...args)
  await untilExited(engine, ours)
  const ran = await realDocker(...args)
  assert.equal(ran.code, 0, ran.stderr)
  const theirs = ran.stdout.trim()
  assert.equal((await realDocker('wait', theirs)).stdout.trim(), '0')
  const oursBytes = readFileSync(containerFile(engine.directory, ours, file(ours)))
  const theirsBytes = readFileSync(containerFile(real?.directory ?? '', theirs, file(theirs)))
  return [oursBytes, theirsBytes, [ours, theirs]]
}

const withoutTime = (bytes: Buffer) =>
  bytes
    .toString('latin1')
    .replace(/"time":"[0-9T:.-]+Z"/g, '"time":"T"')
    .split('\n')
    .sort()

test('json-file is byte for byte what dockerd writes, but for the time', async (t) => {
  if (engines.real === undefined) return t.skip('no dockerd')
  const options = [
    '--label',
    'tier=<front>',
    '-e',
    'STAGE=é',
    '--log-opt',
    'labels=tier',
    '--log-opt',
    'env-regex=^STA',
  ]
  const [ours, theirs] = await both(
    'json',
    (id) => `${id}-json.log`,
    ...options,
    '--log-opt',
    'tag={{.Name}}/{{.ImageName}}',
  )
  assert.deepEqual(withoutTime(ours), withoutTime(theirs))
  assert.match(ours.toString(), /"attrs":\{"STAGE":"é","tag":"json\//)
})

test('local is record for record what dockerd writes, and dockerd reads ours', async (t) => {
  const { engine, real, realDocker, image } = engines
  if (real === undefined) return t.skip('no dockerd')
  const [ours, theirs, [id = '']] = await both('local', () => 'local-logs/container.log', '--log-driver', 'local')
  assert.deepEqual(describeRecords(ours), describeRecords(theirs))
  assert.equal(await engine.ok('inspect', '-f', '{{.LogPath}}', id), '')
  // Our file in the place of one of theirs, read by their daemon.
  const made = await realDocker('create', '--log-driver', 'local', image)
  const target = containerFile(real.directory, made.stdout.trim(), 'local-logs')
  mkdirSync(target, { recursive: true })
  cpSync(containerFile(engine.directory, id, 'local-logs'), target, { recursive: true })
  const read = await realDocker('logs', '-t', made.stdout.trim())
  const own = await engine.docker(['logs', '-t', id])
  assert.deepEqual(squeezed(read), squeezed(own))
  assert.match(own.stdout, /plain/)
})

/** Long runs are counted. Before 23.0 dockerd forgot the newline behind the last piece of a long line. */
const squeezed = ({ stdout, stderr }: { stdout: string; stderr: string }) =>
  [stdout, stderr].map((text) => text.replace(/x{100,}/g, (run) => `x*${run.length}`).replace('x*7232\n', 'x*7232'))

/** Without time and random id; the order of the two streams is chance. */
function describeRecords(bytes: Buffer): string[] {
  let start = 0
  const described = [...new LocalRecords().split(bytes)].map(({ entry, end }) => {
    const size = end - start
    start = end
    const { partial, isStderr, line, attributes } = entry
    return JSON.stringify([
      size,
      isStderr,
      line.toString('hex'),
      partial?.ordinal,
      partial?.isLast,
      partial?.id.length,
      attributes,
    ])
  })
  assert.equal(start, bytes.length)
  return described.sort()
}

test('rotation keeps max-file files of about max-size, compresses the rotated ones, and logs read on through them', async () => {
  const { engine, image } = engines
  const options = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=4', '--log-opt', 'compress=true']
  const id = await engine.ok('run', '-d', ...options, image, 'sh', '-c', 'seq 1 2000')
  await untilExited(engine, id)
  const directory = containerFile(engine.directory, id, '')
  const names = () =>
    readdirSync(directory)
      .filter((name) => name.includes('-json.log'))
      .sort()
  const log = `${id}-json.log`
  await eventually(
    'what was rotated is compressed',
    30_000,
    () => assert.deepEqual(names(), [log, `${log}.1.gz`, `${log}.2.gz`, `${log}.3.gz`]) === undefined,
  )
  const lines = (await engine.ok('logs', id)).split('\n').map(Number)
  assert.equal(lines.at(-1), 2000)
  assert.deepEqual(
    lines,
    Array.from({ length: lines.length }, (_, index) => 2000 - lines.length + 1 + index),
  )
  assert.ok(lines.length > 700, `${lines.length} lines are left`)
  assert.equal((await engine.ok('logs', '-n', '500', id)).split('\n').length, 500)
  assert.match(gunzipSync(readFileSync(`${directory}/${log}.1.gz`)).toString(), /^\{"log":"\d+\\n"/)
})

test('with nothing said a log is bounded, and -1 is no bound', async () => {
  const { engine, image } = engines
  const id = await engine.ok('create', image, 'true')
  assert.equal(
    await engine.ok('inspect', '-f', '{{json .HostConfig.LogConfig}}', id),
    '{"Type":"json-file","Config":{}}',
  )
  const many = 'yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -n 1500000'
  const big = await engine.ok('run', '-d', image, 'sh', '-c', many)
  await untilExited(engine, big)
  const path = containerFile(engine.directory, big, `${big}-json.log`)
  assert.ok(existsSync(`${path}.4`) && !existsSync(`${path}.5`))
  assert.ok(statSync(`${path}.1`).size < (20 << 20) + 1000)
  await engine.ok('rm', '-f', id, big)
})

test('options are refused in Docker’s words: when a container is made, or as it starts', async (t) => {
  const { engine, image, realDocker, real } = engines
  if (real === undefined) return t.skip('no dockerd')
  for (const options of [
    ['--log-opt', 'x=1'],
    ['--log-driver', 'local', '--log-opt', 'x=1'],
    ['--log-driver', 'nowhere'],
    ['--log-opt', 'max-buffer-size=1m'],
    ['--log-driver', 'gelf'],
    ['--log-driver', 'syslog', '--log-opt', 'syslog-facility=none'],
    ['--log-driver', 'fluentd', '--log-opt', 'fluentd-async=perhaps'],
    ['--log-opt', 'max-size=lots'],
    ['--log-opt', 'max-file=0'],
    ['--log-opt', 'compress=true'],
    ['--log-opt', 'tag={{.Nothing}}'],
    ['--log-opt', 'tag={{.Name'],
  ]) {
    const args = ['run', '--rm', '--network', 'none', ...options, image, 'true']
    const [ours, theirs] = [await engine.docker(args), await realDocker(...args)]
    assert.notEqual(ours.code, 0, options.join(' '))
    assert.equal(words(ours.stderr), words(theirs.stderr), options.join(' '))
  }
})

/** Docker 28 puts the step before that fails in front; the real daemon here is older. */
function words(text: string): string {
  return text
    .replace('failed to create task for container: ', '')
    .replace(/\nRun 'docker run --help'[\s\S]*/, '')
    .trim()
}
