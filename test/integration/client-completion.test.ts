// Completion: what is offered, beside what the Docker CLI offers for the same words on the same engine; and the scripts, in their shells.
import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import { type TestEngine, startEngine } from '../harness/berth.ts'
import { PROGRAMS } from '../harness/client-stories.ts'
import { run } from '../harness/command.ts'
import { skipWithoutDocker28 } from '../harness/docker-cli.ts'
import { pushBusybox } from '../harness/images.ts'
import { startRegistry, type TestRegistry } from '../harness/registry.ts'

let engine: TestEngine
let registry: TestRegistry
let env: Record<string, string>

before(async () => {
  engine = await startEngine()
  registry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  await engine.ok('run', '-d', '--name', 'web', '--network', 'none', image, 'sleep', '1000')
  await engine.ok('run', '--name', 'done', '--network', 'none', image, 'echo', 'the output')
  await engine.ok('run', '-d', '--name', 'still', '--network', 'none', image, 'sleep', '1000')
  await engine.ok('pause', 'still')
  await engine.ok('tag', image, 'second/name:v1')
  const bin = `${engine.directory}/bin`
  await mkdir(bin)
  await symlink(PROGRAMS.berth, `${bin}/berth`)
  const config = `${engine.directory}/docker-config`
  env = { DOCKER_HOST: engine.host, BERTH_HOST: '', DOCKER_CONFIG: config, HOME: engine.directory, TERM: 'xterm' }
  env['PATH'] = `${bin}:${process.env['PATH']}`
  await run([PROGRAMS.berth, 'context', 'create', 'far', '--docker', 'host=tcp://far:1'], { env })
})

after(async () => {
  await engine.ok('unpause', 'still')
  await registry[Symbol.asyncDispose]()
  await engine[Symbol.asyncDispose]()
})

/** Words are separated by spaces; `_` is the empty word. */
const LINES = `
ru
container _
container st
image _
system _
context _
completion _
_bogus _
run --h
run -
run --name x --rm --
run -it --int
run -it --t
run --pull _
run --pull=a
run --restart _
run --network _
run --network=h
run --detach-keys _
run --ulimit _
run --env-file _
run --name _
run --platform _
run --security-opt _
run --security-opt lab
run --security-opt label=
run --security-opt label=d
run --security-opt sec
run --security-opt seccomp=
run --security-opt s
run --ipc _
run --ipc con
run --ipc container:
run --pid _
run --cap-add _
run --log-driver json-file --log-opt _
run --storage-opt _
run --volumes-from _
run --link _
run --userns _
run --uts _
run --cgroupns _
run --attach _
run _
run busybox _
run busybox -
run --bogus _
create _
ps _
ps -a _
ps --f
ps -n _
rm _
rm -f _
rm web _
rm -- -
start _
stop _
stop -t _
stop -t 1 _
kill _
logs _
logs web _
exec _
exec -it _
pause _
unpause _
attach _
restart _
rename _
wait _
top _
port _
stats _
inspect _
inspect --type _
container inspect _
images _
rmi _
image inspect _
image rm second/name:v1 _
tag _
tag a _
tag a b _
pull _
pull --platform _
events _
events --filter _
events --filter type=
events --filter container=
events --filter image=
events --filter scope=
events --filter bogus=
version _
version -f _
info _
context use _
context use far _
context rm far _
context export far _
context import _
context ls _
login _
logout _
network inspect _
-
--h
--log-level _
--log-level=
-l _
--context _
--context far context ls -
-D ps -
`
  .trim()
  .split('\n')

const GROUPS = new Set(['container', 'image', 'system', 'network', 'plugin'])

async function offersOf(name: keyof typeof PROGRAMS, words: readonly string[], request = '__complete') {
  const { code, stdout, stderr } = await run([PROGRAMS[name], request, ...words], { env })
  const lines = stdout.replaceAll('berth', 'docker').split('\n')
  return {
    code,
    stderr: stderr.replaceAll('berth', 'docker'),
    offers: lines.filter((line) => !line.startsWith(':')).sort(),
    directive: lines.at(-2),
  }
}

describe('what is offered', { skip: skipWithoutDocker28 }, () => {
  for (const line of LINES)
    test(`berth ${line}`, async () => {
      const words = line.split(' ').map((word) => (word === '_' ? '' : word))
      const ours = await offersOf('berth', words)
      const theirs = await offersOf('docker', words)
      // Commands that are not there are not offered.
      const isList = words.length === 1 || GROUPS.has(words.slice(0, -1).join(' '))
      const offers =
        isList && !words[0]?.startsWith('-')
          ? theirs.offers.filter((each) => ours.offers.includes(each))
          : theirs.offers
      assert.deepEqual(ours, { ...theirs, offers })
    })

  test('without descriptions, names alone', async () => {
    assert.deepEqual(
      await offersOf('berth', ['ru'], '__completeNoDesc'),
      await offersOf('docker', ['ru'], '__completeNoDesc'),
    )
  })

  test('files where a flag takes one, topics where help is asked for', async () => {
    for (const flag of ['-v', '--label-file', '--cidfile', '--device'])
      assert.equal((await offersOf('berth', ['run', flag, ''])).directive, ':0', flag)
    assert.deepEqual((await offersOf('berth', ['help', 'rena'])).offers, ['', 'rename\tRename a container'])
    assert.deepEqual((await offersOf('berth', ['help', 'container', 'wai'])).offers.length, 2)
  })

  test('an engine that is not there offers nothing', async () => {
    assert.equal((await offersOf('berth', ['-H', 'unix:///nonexistent', 'rm', ''])).directive, ':1')
  })
})

describe('the scripts', () => {
  /** Each is typed on a terminal: what the tab has completed is run, and prints what follows. */
  const typed: [string, string][] = [
    ['berth contex\tshow\n', 'default'],
    ['berth logs don\t\n', 'the output'],
    ['berth container log\tdon\t\n', 'the output'],
    ["berth image inspect -f '{{.Os}}' second/n\t\n", 'linux'],
    ["berth ps --format='{{.Names}}' --no-tr\t-f name=web\n", 'web'],
  ]
  const shells = {
    bash: (script: string) => ['bash', '--noprofile', '--rcfile', script, '-i'],
    zsh: (script: string) => ['env', `ZDOTDIR=${script}.d`, 'zsh', '-i'],
  }

  for (const [name, argv] of Object.entries(shells))
    test(`${name} completes commands, containers, images and flags`, async () => {
      const start = `${engine.directory}/start.${name}`
      const setup =
        name === 'bash'
          ? '. /usr/share/bash-completion/bash_completion\nPS1="$ "\n. <(berth completion bash)\n'
          : 'unsetopt zle_bracketed_paste promptsp\nPS1="$ "\nautoload -U compinit; compinit -u -D\n. <(berth completion zsh)\n'
      await writeFile(start, setup)
      await mkdir(`${start}.d`, { recursive: true })
      await writeFile(`${start}.d/.zshrc`, setup)
      for (const [keys, wanted] of typed) {
        const line = argv(start).join(' ')
        const { stdout } = await run(['script', '-qec', line, '/dev/null'], {
          env,
          input: `${keys}exit\n`,
          timeoutMs: 60_000,
        })
        const lines = stdout.split(/\r?\n/).map((each) => each.replace(/\x1b\[[?\d;]*[a-zA-Z]/g, '').trim())
        assert.ok(lines.includes(wanted), `${JSON.stringify(keys)}: ${stdout}`)
      }
    })

  test('fish completes commands, containers, images and flags', async () => {
    const offers = async (line: string) => {
      const script = `berth completion fish | source; complete -C '${line}'`
      return (await run(['fish', '--no-config', '-c', script], { env, timeoutMs: 60_000 })).stdout.trim().split('\n')
    }
    assert.deepEqual(await offers('berth contex'), ['context\tManage contexts'])
    assert.deepEqual(await offers('berth logs don'), ['done'])
    assert.deepEqual(await offers('berth rmi second/'), ['second/name:v1'])
    assert.deepEqual(await offers('berth ps --no-tr'), ["--no-trunc\tDon't truncate output"])
    assert.deepEqual((await offers('berth run --pull=')).sort(), ['--pull=always', '--pull=missing', '--pull=never'])
  })

  test('powershell gets a script that asks for descriptions, or not', async () => {
    const script = (await run([PROGRAMS.berth, 'completion', 'powershell'], { env })).stdout
    assert.match(script, /Register-ArgumentCompleter -Native -CommandName berth/)
    assert.match(script, / __complete /)
    assert.match(
      (await run([PROGRAMS.berth, 'completion', 'powershell', '--no-descriptions'], { env })).stdout,
      / __completeNoDesc /,
    )
  })
})
