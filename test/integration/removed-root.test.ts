// rm -rf of an engine's directories after its daemons were killed, or under a containerd that lives: nothing of it stays running.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { afterEach, beforeEach, test } from 'node:test'
import { isAlive, startEngine, type TestEngine } from '../harness/berth.ts'
import { eventually, must, run } from '../harness/command.ts'
import { makeBusyboxTree } from '../harness/images.ts'

let engine: TestEngine
let ids: string[]
let pids: { containerd: number; shims: number[]; containers: number[] }

beforeEach(async () => {
  // Without networks: nobody is left to take them away.
  engine = await startEngine({ args: ['--bridge', 'none', '--iptables=false', '--ip6tables=false'] })
  const tree = `${engine.directory}/tree`
  await makeBusyboxTree(tree)
  await must(['sh', '-c', 'tar -C "$0" -c . | docker import - busybox', tree], { env: { DOCKER_HOST: engine.host } })
  ids = []
  for (let count = 0; count < 2; count++)
    ids.push(await engine.ok('run', '-d', '--network', 'none', 'busybox', 'sleep', '100000'))
  const containers = (await engine.ok('inspect', '-f', '{{.State.Pid}}', ...ids)).split('\n').map(Number)
  const parentOf = (pid: number) => Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[3])
  pids = { containerd: engine.containerdPid(), shims: containers.map(parentOf), containers }
  for (const pid of Object.values(pids).flat()) assert.ok(isAlive(pid))
})

/** What is the engine's alone to take away, and no engine finds any more. */
afterEach(async () => {
  for (const id of ids) await run(['find', '/sys/fs/cgroup', '-depth', '-name', id, '-exec', 'rmdir', '{}', ';'])
  await run(['sh', '-c', `grep -o " ${engine.directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
  await rm(engine.directory, { recursive: true, force: true })
})

/** The namespaces' bind mounts are busy; rm goes on with the rest, and once again with what a daemon made meanwhile. */
async function removeRoot(): Promise<void> {
  await run(['sh', '-c', `grep -o " ${engine.directory}/exec/netns/[^ ]*" /proc/self/mounts | xargs -r umount`])
  await eventually('the directory is gone', 10_000, async () => {
    await run(['rm', '-rf', engine.directory])
    return (await run(['test', '-e', engine.directory])).code !== 0
  })
}

test('with both daemons killed, shims and containers end when their directories are removed', async () => {
  await engine.killEngine()
  await engine.killContainerd()
  assert.ok([...pids.shims, ...pids.containers].every(isAlive))
  await removeRoot()
  await eventually('all are gone', 20_000, () => ![...pids.shims, ...pids.containers].some(isAlive))
})

test('with the engine killed, a containerd that lives ends too, and makes no directory anew', async () => {
  await engine.killEngine()
  assert.ok(isAlive(pids.containerd))
  await removeRoot()
  await eventually('all are gone', 20_000, () => !Object.values(pids).flat().some(isAlive))
  assert.equal((await run(['test', '-e', engine.directory])).code, 1)
})
