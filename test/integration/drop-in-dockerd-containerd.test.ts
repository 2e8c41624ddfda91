// The original dockerd over our containerd beside one over the original containerd, which it starts and supervises itself in both cases: the same
// Docker command lines, and the same to be seen of both. Then the daemons are killed under running containers.
import assert from 'node:assert/strict'
import { readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { eventually, must, run } from '../harness/command.ts'
import { type RealDockerd, startDockerd } from '../harness/dockerd.ts'
import {
  assertSame,
  type Comparison,
  makeProbedTree,
  OURS,
  parseLines,
  PROBE,
  type Side,
  SIDES,
  THEIRS,
} from '../harness/drop-in.ts'
import { BIN } from '../harness/root.ts'
import { skipWithout } from '../harness/runtime.ts'
import { LIVES, RUNS, TENDED } from './drop-in-dockerd-lines.ts'
import { EVENTS, LIVES_HERE, PROBED, RUNS_HERE, TENDED_HERE } from './drop-in-dockerd-containerd-lines.ts'

const skip = skipWithout('dockerd', 'docker', 'containerd', 'runc')
let directory = ''
let files = ''
const dockerds = new Map<Side, RealDockerd>()

const envOf = (side: Side): Record<string, string> => ({
  DOCKER_HOST: `unix://${dockerds.get(side)?.socketPath}`,
  DOCKER_CONFIG: join(directory, 'config'),
  R: '',
  I: 'busybox',
  F: files,
  D: dockerds.get(side)?.directory ?? '',
})
const comparison: Comparison = {
  env: envOf,
  cwd: () => directory,
  cleanup: 'docker rm -fv $C; docker volume rm -f $C-volume',
  explain: () => SIDES.map((side) => `${side.name}: ${dockerds.get(side)?.log().slice(-1500)}`).join('\n'),
}
const docker = (args: readonly string[], side = OURS) => run(['docker', ...args], { env: envOf(side) })
const ok = async (...args: string[]) => {
  const { code, stdout, stderr } = await docker(args)
  assert.equal(code, 0, `docker ${args.join(' ')}\n${stderr}\n${comparison.explain?.()}`)
  return stdout.trim()
}

/** A bridge of its own for each, in the test's network namespace. */
const BRIDGES = new Map([
  [OURS, 'br-ours'],
  [THEIRS, 'br-theirs'],
])

async function start(side: Side, index: number): Promise<void> {
  const bridge = BRIDGES.get(side) ?? ''
  await must([
    'sh',
    '-ec',
    `ip link add ${bridge} type bridge; ip addr add 172.29.${index}.1/24 dev ${bridge}; ip link set ${bridge} up`,
  ])
  // By the name that dockerd looks for, before the original in its path.
  const programs = join(directory, `programs-${side.name}`)
  await mkdir(programs)
  if (side === OURS) symlinkSync(join(BIN, 'berth-containerd'), join(programs, 'containerd'))
  const dockerd = await startDockerd({
    bridge,
    args: ['--live-restore'],
    env: { PATH: `${programs}:${process.env['PATH']}` },
  })
  assert.ok(dockerd)
  dockerds.set(side, dockerd)
  await must(['sh', '-c', 'tar -C "$1" -c . | docker import -c "CMD sh" - busybox', 'sh', join(directory, 'tree')], {
    env: envOf(side),
  })
}

before(async () => {
  if (skip !== false) return
  directory = await mkdtemp(join(tmpdir(), 'drop-in-dockerd-containerd-'))
  files = join(directory, 'files')
  await mkdir(files)
  await writeFile(join(files, 'file'), 'from the host\n')
  await writeFile(join(files, 'probe'), PROBE)
  await makeProbedTree(join(directory, 'tree'))
  await Promise.all(SIDES.map(start))
})

after(async () => {
  for (const [side, dockerd] of dockerds) {
    await run(['sh', '-c', 'docker ps -aq | xargs -r docker rm -fv'], { env: envOf(side) })
    await dockerd[Symbol.asyncDispose]()
  }
  for (const bridge of BRIDGES.values()) await run(['ip', 'link', 'del', bridge])
  if (directory !== '') await rm(directory, { recursive: true, force: true })
})

const START = `docker run -d $R --name $C $I sh -c 'trap "echo usr1" USR1; trap "exit 7" TERM; while :; do sleep 0.05; done' >/dev/null`

test('each dockerd runs the containerd that it is to run', { skip }, async () => {
  const versions = await Promise.all(
    SIDES.map(
      async (side) => (await docker(['version', '-f', '{{(index .Server.Components 1).Version}}'], side)).stdout,
    ),
  )
  assert.match(versions[0] ?? '', /\+berth$/m)
  assert.doesNotMatch(versions[1] ?? '', /berth/)
})

describe('run', { skip, concurrency: 4 }, () => {
  for (const line of parseLines(RUNS).filter(({ script }) => RUNS_HERE.some((words) => script.includes(words))))
    test(line.script, () => assertSame(line, comparison))
  for (const line of parseLines(EVENTS)) test(line.script, () => assertSame(line, comparison))
  for (const flags of PROBED)
    test(`what a container sees: ${flags}`, () =>
      assertSame(
        { code: 0, script: `docker run --rm -v $F/probe:/probe:ro ${flags} $I sh /probe | sed "s#$D##"` },
        comparison,
      ))
})

describe('a running container', { skip, concurrency: 4 }, () => {
  for (const line of parseLines(LIVES).filter(({ script }) => LIVES_HERE.some((words) => script.includes(words))))
    test(line.script, () => assertSame({ code: line.code, script: `${START}; ${line.script}` }, comparison))
})

describe('what dockerd looks after', { skip, concurrency: 4 }, () => {
  const lines = parseLines(TENDED).filter(({ script }) => TENDED_HERE.some((words) => script.includes(words)))
  for (const line of lines) test(line.script, () => assertSame(line, comparison))
})

const pidFile = () => join(dockerds.get(OURS)?.directory ?? '', 'exec/containerd/containerd.pid')
const containerdPid = () => Number(readFileSync(pidFile(), 'utf8'))
const tickOf = async (name: string) => (await ok('logs', '--tail', '1', name)).split('\n').at(-1)
/** It says something new. */
async function assertAlive(name: string): Promise<void> {
  const before = await tickOf(name)
  await eventually(`${name} runs on`, 10_000, async () => (await tickOf(name)) !== before)
}

const isGone = async (pid: number) => (await run(['kill', '-0', String(pid)])).code !== 0
/** The containerd that it supervises dies with it: the kernel sees to that. */
async function killDockerd(): Promise<void> {
  const containerd = containerdPid()
  await dockerds.get(OURS)?.kill('SIGKILL')
  await eventually('containerd is gone', 10_000, () => isGone(containerd))
}

describe('killed daemons', { skip }, () => {
  const TICKING = 'n=0; while :; do echo $((n+=1)); sleep 0.05; done'

  test('dockerd starts a killed containerd again, and the container has not noticed', async () => {
    await ok('run', '-d', '--name', 'survivor', 'busybox', 'sh', '-c', TICKING)
    const pid = await ok('inspect', '-f', '{{.State.Pid}}', 'survivor')
    const killed = containerdPid()
    assert.match(readlinkSync(`/proc/${killed}/exe`), /node$/)
    process.kill(killed, 'SIGKILL')
    await eventually(
      'a command works again',
      30_000,
      async () => (await docker(['exec', 'survivor', 'true'])).code === 0,
    )
    assert.notEqual(containerdPid(), killed)
    await assertAlive('survivor')
    assert.equal(await ok('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', 'survivor'), `${pid} true`)
    assert.equal(await ok('exec', 'survivor', 'echo', 'inside'), 'inside')
    assert.equal(await ok('pause', 'survivor'), 'survivor')
    assert.equal(await ok('unpause', 'survivor'), 'survivor')
  })

  test('a killed dockerd finds its containers again, what they said meanwhile, and those that have ended', async () => {
    await ok('run', '-d', '--name', 'ending', 'busybox', 'sh', '-c', 'while [ ! -e /end ]; do sleep 0.05; done; exit 9')
    const [pid = '', ending = ''] = await Promise.all(
      ['survivor', 'ending'].map((name) => ok('inspect', '-f', '{{.State.Pid}}', name)),
    )
    await killDockerd()
    await writeFile(`/proc/${ending}/root/end`, '')
    await eventually('it has ended', 10_000, () => isGone(Number(ending)))
    await dockerds.get(OURS)?.start()
    assert.equal(await ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'ending'), 'exited 9')
    await ok('rm', 'ending')
    assert.equal(await ok('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', 'survivor'), `${pid} true`)
    await assertAlive('survivor')
    assert.equal(await ok('exec', 'survivor', 'echo', 'inside'), 'inside')
    await ok('stop', '-t', '0', 'survivor')
    assert.equal(await ok('inspect', '-f', '{{.State.ExitCode}}', 'survivor'), '137')
    await ok('start', 'survivor')
    await assertAlive('survivor')
  })

  test('dockerd stops, and its containerd with it; the container does not', async () => {
    const containerd = containerdPid()
    await dockerds.get(OURS)?.kill('SIGTERM')
    await eventually('containerd is gone', 15_000, () => isGone(containerd))
    const log = readFileSync(join(dockerds.get(OURS)?.directory ?? '', 'log'), 'utf8')
    assert.match(log, /msg="containerd stops" signal=SIGTERM/)
    await dockerds.get(OURS)?.start()
    await assertAlive('survivor')
    await ok('rm', '-f', 'survivor')
  })
})
