// `berth volume …` against `docker volume …`, line by line on one engine: the same bytes on both streams and the same exit code.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { clientsOf, type TestClient } from '../harness/clients.ts'
import type { CommandResult } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'

let engine: TestEngine
let docker: TestClient
let berth: TestClient

before(async () => {
  engine = await startEngine()
  ;[docker, berth] = clientsOf(engine) as [TestClient, TestClient]
  await docker.ok('volume', 'create', '--label', 'b=2', '--label', 'a=1', '--label', 'bare', 'ten10')
  await docker.ok('volume', 'create', 'ten9')
  await docker.ok(
    'volume',
    'create',
    '-o',
    'type=tmpfs',
    '-o',
    'device=tmpfs',
    '-o',
    'o=size=1m,uid=7',
    '--label',
    'm=<&>',
    'memory',
  )
})

after(() => engine[Symbol.asyncDispose]())

/** Each changes nothing, or what the second run finds as the first did. */
const SAME = `
volume ls
volume ls -q
volume list
volume ls --format json
volume ls --format {{.Name}}
volume ls --format raw
volume ls -q --format raw
volume ls --format {{json .}}
volume ls --format table {{.Name}}\\t{{.Mountpoint}}\\t{{.Scope}}\\t{{.Links}}\\t{{.Size}}
volume ls --format {{.Label "a"}}/{{.Nothing}}
volume ls --format {{.Group}}{{.Availability}}{{.Status}}
volume ls -f name=ten
volume ls -f label=a=1
volume ls -f label=a=2
volume ls -f driver=local -q
volume ls -f dangling=true -q
volume ls -f dangling=false -q
volume ls -f dangling=perhaps
volume ls -f bogus=1
volume ls -f bogus
volume ls extra
volume inspect memory
volume inspect ten10 ten9
volume inspect -f {{.Mountpoint}} memory ten9
volume inspect --format json ten9
volume inspect -f {{.Options.o}} memory
volume inspect -f {{.Nothing}} memory
volume inspect nobody
volume inspect nobody ten9
volume inspect
inspect --type volume ten9
inspect ten10 -f {{json .Labels}}
volume create ten9
volume create --name ten9
volume create --name ten9 ten10
volume create x
volume create a/b
volume create --label =x bad
volume create -d nowhere bad
volume create -o size=1g bad
volume create -o type=tmpfs bad
volume create -o what=ever bad
volume create --scope multi bad
volume create one two
volume rm nobody
volume rm -f nobody
volume rm
volume rm nobody nowhere
volume prune -f
volume prune -f --filter label=nothing
volume prune -f --filter bogus=1
volume prune -f -a --filter all=1
volume prune -f --filter all=perhaps
volume prune extra
volume update ten9
volume update nobody
volume update
volume
volume bogus
`
  .trim()
  .split('\n')

/** At blanks, but not inside of a template. */
const words = (line: string): string[] => line.match(/(?:\{\{.*?\}\}|[^ {]|\{(?!\{))+/g) ?? []
/** `--format table {{.A}}\t{{.B}}` is one value. */
const joined = (line: string) => {
  const list = words(line.replaceAll('\\t', '\t'))
  const at = list.indexOf('table')
  return at < 0 ? list : [...list.slice(0, at), list.slice(at).join(' ')]
}

const plain = ({ code, stdout, stderr }: CommandResult) => {
  const named = (text: string) => text.replace(/\b[Bb]erth\b(?!-)/g, (name) => (name === 'berth' ? 'docker' : 'Docker'))
  return { code, stdout: inOrder(named(stdout)), stderr: named(stderr) }
}

/** The original lists labels in the order of a Go map, which is another each time. */
const inOrder = (text: string) =>
  text.replace(/"Labels":"([^"]*)"/g, (_, labels: string) => `"Labels":"${labels.split(',').sort().join(',')}"`)

async function assertSame(args: readonly string[], input?: string) {
  const options = input === undefined ? {} : { input }
  assert.deepEqual(plain(await berth.run(args, options)), plain(await docker.run(args, options)))
}

describe('volume commands', { skip: skipWithoutDocker28 }, () => {
  for (const line of SAME) test(line, () => assertSame(joined(line)))

  test('prune asks first, and a no removes nothing', async () => {
    await assertSame(['volume', 'prune'], 'n\n')
    await assertSame(['volume', 'prune', '-a'], 'what\n')
    assert.equal((await docker.ok('volume', 'ls', '-q')).split('\n').length, 3)
  })

  test('what one client makes the other removes', async () => {
    await berth.ok('volume', 'create', '-d', 'local', '--label', 'x', '-o', 'type=tmpfs', '-o', 'device=t', 'mine')
    const made = await docker.ok('volume', 'inspect', '-f', '{{json .Labels}}{{json .Options}}', 'mine')
    assert.equal(made, '{"x":""}{"device":"t","type":"tmpfs"}')
    assert.equal(await docker.ok('volume', 'rm', 'mine'), 'mine')
    const anonymous = await berth.ok('volume', 'create')
    assert.match(anonymous, /^[0-9a-f]{64}$/)
    const pruned = await berth.ok('volume', 'prune', '-f')
    assert.equal(pruned, `Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 0B`)
    await docker.ok('volume', 'create', 'named')
    assert.match(await berth.ok('volume', 'prune', '-fa'), /^Deleted Volumes:\nnamed\nten10\nten9\n\nTotal/)
  })
})
