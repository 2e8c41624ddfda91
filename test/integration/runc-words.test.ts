// Callers of runc decide on its words and exit statuses: the same command lines for both, in the same order, with the same answers.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { eventually, run } from '../harness/command.ts'
import { makeBundle, RUNTIME, skipWithout } from '../harness/runtime.ts'

const directory = mkdtempSync(join(tmpdir(), 'berth-runc-words-'))
const id = `words-${process.pid}`
after(() => rmSync(directory, { recursive: true, force: true }))

type Line = readonly string[]

/** Standard input of `update --resources -`, by the first word of a line. */
const RESOURCES = '{"memory":{"limit":33554432}}'

const WITHOUT_CONTAINER: readonly Line[] = [
  ['state', 'nope'],
  ['start', 'nope'],
  ['kill', 'nope'],
  ['delete', 'nope'],
  ['delete', '--force', 'nope'],
  ['pause', 'nope'],
  ['resume', 'nope'],
  ['ps', 'nope'],
  ['events', 'nope'],
  ['update', '--memory', '10M', 'nope'],
  ['exec', 'nope', 'true'],
  ['list', '--quiet'],
  ['list', '--format', 'json'],
  ['list'],
  ['list', '--format', 'xml'],
  ['create', '--bundle', '/nonexistent', 'x'],
  ['create', '--bundle', '.', 'a/b'],
  ['create', '--bundle', '.', '..'],
  ['run', '--bundle', '.', '--console-socket', '/tmp/none', 'x'],
  ['run', '--bundle', '.', '--pid-file', '/nonexistent/pid', 'x'],
]

const CREATED: readonly Line[] = [
  ['create', '--bundle', '.', id],
  ['list', '--quiet'],
  ['exec', id, 'echo', 'in a created container'],
  ['delete', id, '--bogus'],
]

const RUNNING: readonly Line[] = [
  ['start', id],
  ['pause', id],
  ['pause', id],
  ['exec', id, 'true'],
  ['delete', id],
  ['start', id],
  ['resume', id],
  ['resume', id],
  ['kill', id, 'BOGUS'],
  ['kill', id, 'sigbogus'],
  ['kill', id, '100'],
  ['kill', id, '0'],
  ['kill', id, 'WINCH'],
  ['exec', id, 'sh', '-c', 'exit 7'],
  ['exec', id, 'sh', '-c', 'kill -9 $$'],
  ['exec', '--user', '5:6', '--additional-gids', '7', id, 'id'],
  ['exec', '--user', 'abc', id, 'id'],
  ['exec', '--user', '1:x', id, 'id'],
  ['exec', '--additional-gids', '-1', id, 'id'],
  ['exec', '--cwd', 'relative', id, 'id'],
  ['exec', '--cwd', '/bin', '--env', 'A=b', id, 'sh', '-c', 'pwd; echo $A'],
  ['exec', id, 'nope'],
  ['exec', id, './nope'],
  ['exec', id, '/nope/nope'],
  ['exec', id],
  ['exec', '--process', '/nonexistent', id],
  ['exec', '--process', 'process.json', id],
  ['exec', '--detach', '--tty', id, 'true'],
  ['exec', '--console-socket', '/tmp/none', id, 'true'],
  ['exec', '--detach', id, 'true'],
  ['exec', '--cgroup', 'a:b:c', id, 'true'],
  ['exec', '--no-new-privs', id, 'grep', 'NoNewPrivs', '/proc/self/status'],
  ['exec', '--cap', 'CAP_NET_ADMIN', id, 'grep', 'CapEff', '/proc/self/status'],
  ['ps', '--format', 'json', id],
  ['ps', '--format', 'xml', id],
  ['ps', id, '-o', 'comm'],
  ['ps', id, '-o', 'pid,comm'],
  ['update', '--memory', 'abc', id],
  ['update', '--cpu-quota', 'abc', id],
  ['update', '--cpu-share', '-1', id],
  ['update', '--memory', '64M', '--pids-limit', '20', id],
  ['update', '--resources', '-', id],
  ['update', '--resources', '/nonexistent', id],
  ['kill', id, 'KILL'],
]

const STOPPED: readonly Line[] = [
  ['kill', id],
  ['kill', '--all', id],
  ['pause', id],
  ['resume', id],
  ['start', id],
  ['exec', id, 'true'],
  ['delete', id],
  ['state', id],
]

const program = ['sh', '-c', 'trap : WINCH; sleep 1000 & while :; do wait; done']

test('every command line is answered as by runc', { skip: skipWithout('runc') }, async () => {
  const bundle = join(directory, 'bundle')
  await makeBundle(bundle, (spec) => {
    if (spec.process !== undefined) spec.process.args = program
  })
  await writeFile(
    join(bundle, 'process.json'),
    '{"cwd":"/","args":["id"],"user":{"uid":3,"gid":4},"env":["PATH=/bin"]}',
  )
  const answers = async (runtime: string) => {
    const root = join(directory, runtime.replaceAll('/', '_'))
    await mkdir(root)
    const told: string[] = []
    try {
      for (const line of [...WITHOUT_CONTAINER, ...CREATED, ...RUNNING])
        told.push(await ask(runtime, root, bundle, line))
      await eventually('it has stopped', 10_000, async () => (await status(runtime, root)) === 'stopped')
      for (const line of STOPPED) told.push(await ask(runtime, root, bundle, line))
    } finally {
      await run([runtime, '--root', root, 'delete', '--force', id])
    }
    return told
  }
  assert.deepEqual(await answers(RUNTIME), await answers('runc'))
})

/** One answer in one text, without what differs from call to call. What keeps our pipes open is given none. */
async function ask(runtime: string, root: string, bundle: string, line: Line): Promise<string> {
  const keepsStreams = line[0] === 'create' || line.includes('--detach')
  const argv = [runtime, '--root', root, ...line]
  const shell = ['sh', '-c', '"$@" >/dev/null 2>"$0"', join(directory, 'words'), ...argv]
  const options = { cwd: bundle, input: line.includes('-') ? RESOURCES : '', timeoutMs: 20_000 }
  const { code, stdout, stderr } = await run(keepsStreams ? shell : argv, options)
  const words = `${stdout.replace(/Incorrect Usage.*/s, 'usage\n')}${stderr}`
    .replaceAll('berth-runc', 'runc')
    .replace(/time="[^"]*"/g, 'time')
    .replace(/\[[\d,]+\]/g, '[pid]')
    .replace(/^ *\d+ /gm, 'pid ')
  return `${line.join(' ')} => ${code}\n${words}`
}

async function status(runtime: string, root: string): Promise<string> {
  const { stdout } = await run([runtime, '--root', root, 'state', id])
  return /"status": "(\w+)"/.exec(stdout)?.[1] ?? ''
}
