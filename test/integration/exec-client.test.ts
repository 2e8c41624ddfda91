// berth against docker, command line by command line, for attach, exec and events: the same bytes on both streams and the same exit code, on one engine.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import type { CommandOptions } from '../harness/command.ts'
import { comparable, wordsOf } from '../harness/compare-clients.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let docker: TestClient
let berth: TestClient
let files: string

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  files = `${engine.directory}/files`
  await mkdir(`${files}/config`, { recursive: true })
  await writeFile(`${files}/env`, '# comment\nA=1\nB=two words\n\nHOME\n')
  await writeFile(`${files}/bad-env`, 'A B=1\n')
  await writeFile(`${files}/config/config.json`, '{"detachKeys":"ctrl-?"}')
  ;[docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  const image = `${registry.host}/busybox`
  const run = (...args: string[]) => docker.ok('run', '-d', '--network', 'none', ...args)
  await docker.ok('pull', '-q', image)
  await run('--name', 'web', '-e', 'FROM=image', '-u', 'user', '-w', '/tmp', image, 'sleep', '10000')
  await run('--name', 'terminal', '-it', image, 'sh')
  await run('--name', 'frozen', image, 'sleep', '10000')
  await docker.ok('pause', 'frozen')
  await docker.ok('create', '--name', 'fresh', '--network', 'none', image, 'true')
})

after(async () => {
  await docker.run(['unpause', 'frozen'])
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

async function assertSame(line: string, options: CommandOptions = {}): Promise<void> {
  const words = wordsOf(line).map((word) => word.replaceAll('FILES', files))
  const [theirs, ours] = [comparable(await docker.run(words, options)), comparable(await berth.run(words, options))]
  assert.deepEqual(ours, theirs)
}

/** `\s` is a space inside a word. */
const LINES = [
  'exec web sh -c echo\\sout;\\secho\\serr\\s>&2;\\sexit\\s7',
  'exec -u root web id',
  'exec -u 0:0 web id',
  'exec --user user web id -u',
  'exec -u nobody-here web true',
  'exec -u root:nobodies web true',
  'exec web pwd',
  'exec -w /etc web pwd',
  'exec --workdir=/nowhere web pwd',
  'exec -w relative web pwd',
  'exec -e A=1 -e B=two\\swords --env FROM=me web env',
  'exec --env-file FILES/env -e A=2 web env',
  'exec --env-file FILES/bad-env web env',
  'exec --env-file FILES/missing web env',
  'exec -e =x web env',
  'exec --privileged -u root web grep CapEff /proc/self/status',
  'exec web nonexist',
  'exec web /etc',
  'exec web /nowhere/x',
  'exec -d web true',
  'exec -d web nonexist',
  'exec -di web cat',
  'exec -it web true',
  'exec -it nobody true',
  'exec -t web tty',
  'exec --detach-keys ctrl-? web true',
  'exec web',
  'exec fresh true',
  'exec frozen true',
  'exec nobody true',
  'exec web echo -e x -- -u y',
  'container exec web echo x',
  'attach fresh',
  'attach frozen',
  'attach nobody',
  'attach terminal',
  'attach --no-stdin --detach-keys ctrl-? fresh',
  'attach a b',
  'attach --sig-proxy=nonsense web',
  'container attach fresh',
  'events --until 0s --since bogus',
  'events --since 5 --until 3',
  'events --until 1 --filter bogus',
  'events --until 1 --filter type=container --format {{.Bogus}}',
  'events --until 1 --format {{',
  'events --until 1 x',
  'events --since 1 --until 2099-01-01T00:00:00+25:00',
  'events --since 1970-13-01 --until 1',
  'events --since 1970-01-32 --until 1',
  'events --since 1970-01-01T24:00:00 --until 1',
  'events --since 1970-01-01T00:61Z --until 1',
  'events --since 1970-01-01 --until 1970-01-02',
  'system events --until 1',
]

describe('one client and the other', { skip: skipWithoutDocker28 }, () => {
  for (const line of LINES) test(line, () => assertSame(line))
  test('exec -i reads standard input to its end', () => assertSame('exec -i web cat', { input: 'one\ntwo\n' }))
  test('exec without -i does not', () => assertSame('exec web cat', { input: 'one\n' }))
  test('bad keys of config.json', () => assertSame('exec web echo x', { env: { DOCKER_CONFIG: `${files}/config` } }))

  test('every event so far, in every format', async () => {
    const until = (Date.now() / 1000).toFixed(3)
    const formats = [
      '',
      ' --format json',
      ' --format {{json\\s.}}',
      ' --format {{.}}',
      ' --format {{.Time}}\\s{{.TimeNano}}',
    ]
    const filters = [
      '',
      ' --filter type=container',
      ' --filter container=we',
      ' --filter event=exec_create --filter event=die',
    ]
    for (const more of [...formats, ...filters]) await assertSame(`events --since 1 --until ${until}${more}`)
  })
})
