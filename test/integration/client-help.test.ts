// The help of every command and group beside that of the Docker CLI, byte for byte. No engine runs: help needs none.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { COMMANDS, GROUPS } from '../../src/client/command-index.ts'
import { run } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { BIN } from '../harness/root.ts'

/** Nobody listens there. */
const ENV = { DOCKER_HOST: 'unix:///nonexistent.sock', BERTH_HOST: '', TERM: 'xterm' }

/** What the Docker CLI has and this client does not, and why. A line goes when the command comes. */
const ABSENT: Record<string, string> = {
  build: 'building images is a part of its own',
  builder: 'building images is a part of its own',
  'image build': 'building images is a part of its own',
  'stack config': 'Compose files are read by whoever deploys them',
  'stack deploy': 'Compose files are read by whoever deploys them',
  trust: 'the engine verifies no signatures',
  'network connect': 'making networks is a part of its own',
  'network create': 'making networks is a part of its own',
  'network disconnect': 'making networks is a part of its own',
  'network prune': 'making networks is a part of its own',
  'network rm': 'making networks is a part of its own',
  ...Object.fromEntries(
    'create disable enable install push rm set upgrade'
      .split(' ')
      .map((verb) => [`plugin ${verb}`, 'the engine runs no plugins that it would have to install']),
  ),
}

/** Commands of ours alone, with their paths in our own words. */
const OURS = new Set(['container exec-attach', 'container exec-kill', 'container execs', 'push-to', 'image push-to'])

/** What the two may differ in: their names, and Docker's pointers to its web site. */
function mask(text: string): string {
  return text
    .replace(/(?<![a-z])[Bb]erth\b/g, (name) => (name === 'berth' ? 'docker' : 'Docker'))
    .replace('A self-sufficient runtime for containers', '<what it is>')
    .replace('Containers, from an image to a running process', '<what it is>')
    .replace(/\nFor more help on how to use Docker, head to .*\n/, '')
    .trimEnd()
}

async function helpOf(program: string, words: readonly string[]) {
  const { code, stdout, stderr } = await run([program, ...words], { env: ENV })
  return { code, stdout: mask(stdout), stderr: mask(stderr) }
}

async function assertSameHelp(words: readonly string[]) {
  assert.deepEqual(await helpOf(`${BIN}/berth`, words), await helpOf('docker', words))
}

function withoutAbsent(help: Awaited<ReturnType<typeof helpOf>>, prefix: string) {
  const clean = (text: string) =>
    text
      .split('\n')
      .filter((line) => !(`${prefix}${/^ {2}([a-z-]+) {2,}/.exec(line)?.[1] ?? ''}` in ABSENT))
      .join('\n')
      .replace('Swarm Commands:\n\n', '')
  return { ...help, stdout: clean(help.stdout), stderr: clean(help.stderr) }
}

/** Names under `Commands:` and its like. */
function listedIn(help: string): string[] {
  return [...help.matchAll(/^ {2}([a-z][a-z-]*)\*? {2,}\S/gm)].map(([, name = '']) => name)
}

async function dockerPaths(): Promise<string[]> {
  const { stdout } = await run(['docker', '--help'], { env: ENV })
  const commands = stdout.slice(0, stdout.indexOf('Global Options:'))
  const paths: string[] = []
  for (const name of listedIn(commands)) {
    if (name in ABSENT) continue
    const help = (await run(['docker', name, '--help'], { env: ENV })).stdout
    paths.push(...(/^Usage: .* COMMAND$/m.test(help) ? listedIn(help).map((verb) => `${name} ${verb}`) : [name]))
  }
  return paths.filter((path) => !(path in ABSENT))
}

describe('help', { skip: skipWithoutDocker28 }, () => {
  for (const path of COMMANDS.flatMap(({ paths }) => paths))
    if (!OURS.has(path)) test(`${path} --help`, () => assertSameHelp([...path.split(' '), '--help']))

  for (const group of Object.keys(GROUPS)) {
    test(`${group}, with and without --help, lists what it groups`, async () => {
      for (const words of [[group, '--help'], ['help', group], [group]]) {
        const [ours, theirs] = [await helpOf(`${BIN}/berth`, words), await helpOf('docker', words)]
        assert.deepEqual(withoutAbsent(ours, `${group} `), withoutAbsent(theirs, `${group} `))
      }
    })
    for (const words of [['--bogus'], ['-Z'], ['bogus'], ['--help', 'bogus'], ['-h']])
      test(`${group} ${words.join(' ')}`, async () => {
        const [ours, theirs] = [
          await helpOf(`${BIN}/berth`, [group, ...words]),
          await helpOf('docker', [group, ...words]),
        ]
        assert.deepEqual([ours.code, ours.stderr], [theirs.code, theirs.stderr])
      })
  }

  test('the list of all commands is that of the Docker CLI', async () => {
    for (const words of [['--help'], ['help'], []]) {
      const [ours, theirs] = [await helpOf(`${BIN}/berth`, words), await helpOf('docker', words)]
      assert.deepEqual(withoutAbsent(ours, ''), withoutAbsent(theirs, ''))
    }
  })

  test('no command of the Docker CLI is missing that is not named here', async () => {
    const ours = new Set(COMMANDS.flatMap(({ paths }) => paths))
    assert.deepEqual(
      (await dockerPaths()).filter((path) => !ours.has(path)),
      [],
    )
  })

  for (const line of ['help bogus', 'help container bogus', 'help ps extra', 'help --help', 'help run', 'bogus', '-Z'])
    test(line, () => assertSameHelp(line.split(' ')))
})
