// checkpoint and restore with the real criu: a program goes on where it was, whoever of the two runtimes saved it and whoever brings it back.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { readProcessStat } from '../../src/linux/proc/process-stat.ts'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { eventually, must, run } from '../harness/command.ts'
import { skipWithoutCriu } from '../harness/criu.ts'
import { OURS, type Side, SIDES, THEIRS } from '../harness/drop-in.ts'
import { makeBundle, skipWithout } from '../harness/runtime.ts'

const skip = skipWithout('runc') || (await skipWithoutCriu())
const directory = mkdtempSync(join(tmpdir(), 'berth-criu-'))
const bundle = join(directory, 'bundle')
const images = join(directory, 'images')
const id = `criu-real-${process.pid}`
const network = `berth-criu-${process.pid}`
const counter = join(bundle, 'rootfs/counter')
/** Counts in memory, and says how far it is. */
const COUNTS = ['sh', '-c', 'n=0; trap "exit 7" TERM; while :; do n=$((n+1)); echo $n >/counter; sleep 0.02; done']
let spec: RuntimeSpec

before(async () => {
  if (skip !== false) return
  mkdirSync(join(directory, 'bound/below'), { recursive: true })
  writeFileSync(join(directory, 'bound/file'), 'bound')
  spec = await makeBundle(bundle, (made) => {
    made.root = { path: 'rootfs' }
    if (made.process !== undefined) made.process.args = COUNTS
    made.mounts?.push(
      { destination: '/new/bound', type: 'bind', source: join(directory, 'bound'), options: ['rbind'] },
      { destination: '/new/bound/below', type: 'tmpfs', source: 'tmpfs' },
    )
  })
})

afterEach(async () => {
  for (const side of SIDES) await run([side.path, '--root', rootOf(side), 'delete', '--force', id])
  rmSync(images, { recursive: true, force: true })
})

after(async () => {
  await run(['ip', 'netns', 'del', network])
  rmSync(directory, { recursive: true, force: true })
})

const rootOf = (side: Side) => join(directory, `root-${side.name}`)

function configure(edit: (spec: RuntimeSpec) => void): void {
  const changed = structuredClone(spec)
  edit(changed)
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(changed))
  rmSync(counter, { force: true })
}

/** Its streams are files that nobody waits for, and nothing of the host's own. */
async function call(side: Side, ...args: string[]): Promise<void> {
  const log = join(directory, 'log')
  const { code } = await run(
    [
      'sh',
      '-c',
      'exec "$@" </dev/null >/dev/null 2>&1',
      'sh',
      side.path,
      '--root',
      rootOf(side),
      '--log',
      log,
      ...args,
    ],
    { cwd: bundle },
  )
  const criuLog = ['dump', 'restore'].map((name) => join(images, `${name}.log`)).find((path) => existsSync(path))
  const errors =
    criuLog === undefined
      ? ''
      : readFileSync(criuLog, 'utf8')
          .match(/.*Error.*/g)
          ?.join('\n')
  assert.equal(code, 0, `${side.name} ${args.join(' ')}: ${readFileSync(log, 'utf8')}\n${errors}`)
}

async function statusOf(side: Side): Promise<string> {
  const { stdout } = await run([side.path, '--root', rootOf(side), 'state', id])
  return /"status": "(\w+)"/.exec(stdout)?.[1] ?? 'none'
}

const count = () => (existsSync(counter) ? Number(readFileSync(counter, 'utf8')) : 0)
const countsBeyond = (least: number) =>
  eventually(`it counts beyond ${least}`, 20_000, () => count() > least && count())

describe('the real criu', { skip }, () => {
  for (const [from, to] of [
    [OURS, OURS],
    [OURS, THEIRS],
    [THEIRS, OURS],
  ] as const)
    test(`what ${from.name} has saved goes on under ${to.name}`, async () => {
      configure(() => {})
      await call(from, 'run', '--detach', id)
      await countsBeyond(20)
      await call(from, 'checkpoint', '--image-path', images, id)
      assert.equal(await statusOf(from), 'none')
      const saved = count()
      assert.ok(saved > 20)
      await call(to, 'restore', '--detach', '--pid-file', join(directory, 'pid'), '--image-path', images, id)
      assert.ok((await countsBeyond(saved)) > 20, 'it did not begin anew')
      assert.equal(await statusOf(to), 'running')
      const kinds = to === OURS ? ['pid', 'mnt', 'time'] : ['pid', 'mnt'] // older ones do not know of the last
      const links = (place: string) => kinds.map((kind) => `readlink ${place}/ns/${kind}`).join('; ')
      const inside = `cat /new/bound/file; hostname; ${links('/proc/self')}`
      const told = await must([to.path, '--root', rootOf(to), 'exec', id, 'sh', '-c', inside])
      const pid = readFileSync(join(directory, 'pid'), 'utf8')
      const namespaces = await must(['sh', '-c', links(`/proc/${pid}`)])
      assert.equal(told, `bound${spec.hostname ?? ''}\n${namespaces}`)
      for (const verb of ['pause', 'resume']) await call(to, verb, id)
      await call(to, 'kill', id, 'KILL')
      await eventually('it has ended', 10_000, async () => (await statusOf(to)) === 'stopped')
      await call(to, 'delete', id)
    })

  test('one that is left running runs on, and can be saved again', async () => {
    configure(() => {})
    await call(OURS, 'run', '--detach', id)
    await countsBeyond(5)
    await call(OURS, 'checkpoint', '--leave-running', '--image-path', images, id)
    assert.equal(await statusOf(OURS), 'running')
    await countsBeyond(count())
    await call(OURS, 'pause', id)
    await call(OURS, 'checkpoint', '--image-path', join(images, 'paused'), id)
    assert.equal(await statusOf(OURS), 'none')
  })

  test('a network namespace of somebody else’s is found again', async () => {
    await must(['ip', 'netns', 'add', network])
    configure((made) => {
      const joined = made.linux?.namespaces?.find(({ type }) => type === 'network')
      if (joined !== undefined) joined.path = `/run/netns/${network}`
    })
    await call(OURS, 'run', '--detach', id)
    await countsBeyond(0)
    await call(OURS, 'checkpoint', '--image-path', images, id)
    await call(OURS, 'restore', '--detach', '--image-path', images, id)
    const inside = await must([OURS.path, '--root', rootOf(OURS), 'exec', id, 'readlink', '/proc/1/ns/net'])
    assert.equal(inside, await must(['ip', 'netns', 'exec', network, 'readlink', '/proc/self/ns/net']))
  })

  test('in the foreground its pipes are ours, and its code is', async () => {
    configure((made) => {
      const script = 'trap "echo ended; exit 7" TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done'
      if (made.process !== undefined) made.process.args = ['sh', '-c', script]
    })
    // Pipes of the kernel's own, which Node's are not.
    const piped = (...args: string[]) =>
      collect(
        spawn(
          'bash',
          [
            '-c',
            'set -o pipefail; "$@" </dev/null 2>/dev/null | cat',
            'bash',
            OURS.path,
            '--root',
            rootOf(OURS),
            ...args,
          ],
          { cwd: bundle },
        ),
      )
    const first = piped('run', id)
    await eventually('it counts', 20_000, () => first.text().includes('\n20\n'))
    await call(OURS, 'checkpoint', '--image-path', images, id)
    await first.ended
    const last = Number(first.text().trim().split('\n').at(-1))
    const pidFile = join(directory, 'pid')
    rmSync(pidFile, { force: true })
    const second = piped('restore', '--pid-file', pidFile, '--image-path', images, id)
    await eventually('it counts on', 20_000, () => second.text().split('\n').length > 5)
    assert.ok(Number(second.text().split('\n')[0]) > last - 1, second.text().slice(0, 200))
    const runtime = await eventually(
      'its pid is there',
      20_000,
      () => existsSync(pidFile) && readProcessStat(Number(readFileSync(pidFile, 'utf8'))),
    )
    process.kill(runtime.parent, 'SIGTERM') // it passes that on
    assert.equal(await second.ended, 7)
    assert.match(second.text(), /ended\n$/)
    assert.equal(await statusOf(OURS), 'none')
  })

  test('a terminal comes back: to a socket, or to who waits', async () => {
    configure((made) => {
      if (made.process === undefined) return
      made.process.terminal = true
      made.process.args = ['sh', '-c', 'while read line; do echo "got $line"; [ $line = end ] && exit 5; done']
    })
    const socket = join(directory, 'console')
    const [first, second] = [await listen(socket), socket]
    await call(OURS, 'run', '--detach', '--console-socket', socket, id)
    first.say('one')
    await eventually('it answers', 20_000, () => first.text().includes('got one'))
    await call(OURS, 'checkpoint', '--image-path', images, id)
    await first.ended
    const again = await listen(second)
    await call(OURS, 'restore', '--detach', '--console-socket', socket, '--image-path', images, id)
    again.say('two')
    await eventually('it answers again', 20_000, () => again.text().includes('got two'))
    await call(OURS, 'checkpoint', '--image-path', join(images, 'again'), id)
    await again.ended
    const line = `(sleep 1; echo three; sleep 1; echo end; sleep 5) | script -qec "${OURS.path} --root ${rootOf(OURS)} restore --image-path ${images}/again ${id}" /dev/null`
    const { stdout, code } = await run(['sh', '-c', line], { cwd: bundle })
    assert.match(stdout, /got three[\s\S]*got end/)
    assert.equal(code, 5)
    assert.equal(await statusOf(OURS), 'none')
  })
})

function collect(child: ChildProcess) {
  let said = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 255)))
  return { text: () => said, ended, say: (line: string) => void child.stdin?.write(`${line}\n`) }
}

const LISTENER = `
import array, os, select, socket, sys
at = sys.argv[1]
if os.path.exists(at): os.unlink(at)
server = socket.socket(socket.AF_UNIX); server.bind(at); server.listen(1)
print('listens', flush=True)
peer, _ = server.accept()
_, control, _, _ = peer.recvmsg(64, socket.CMSG_SPACE(4))
master = array.array('i', control[0][2])[0]
while True:
    for fd in select.select([0, master], [], [])[0]:
        try: data = os.read(fd, 4096)
        except OSError: sys.exit(0)
        if fd == 0: os.write(master, data)
        else: os.write(1, data)
`

/** Who gets a console's master: what is said to it is typed, what it prints is the console's. */
async function listen(path: string) {
  const listener = collect(spawn('python3', ['-c', LISTENER, path], { stdio: ['pipe', 'pipe', 'inherit'] }))
  await eventually('it listens', 10_000, () => listener.text().includes('listens'))
  return listener
}
