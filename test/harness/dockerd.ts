// A real dockerd as the other side of a comparison, with directories and socket of its own and no network.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, run } from './command.ts'

export interface RealDockerd extends AsyncDisposable {
  socketPath: string
  directory: string
  log(): string
  /** Resolves when the daemon is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
  pid(): number
  /** Again, after a kill; resolves when it answers. */
  start(): Promise<void>
}

/**
 * Undefined where none is installed. `bridge`: with a docker0, which is for a network namespace of the test's own, or with a bridge of that name,
 * which is there. `env` is added to the environment. `ownNetwork`: in a network namespace that is new, where only its loopback is.
 */
export async function startDockerd({
  args: more = [],
  bridge = false,
  env = {},
  ownNetwork = false,
}: {
  args?: readonly string[]
  bridge?: boolean | string
  env?: Record<string, string>
  ownNetwork?: boolean
} = {}): Promise<RealDockerd | undefined> {
  if ((await run(['sh', '-c', 'command -v dockerd'])).code !== 0) return undefined
  if (bridge && !ownNetwork) await writeFile('/proc/sys/net/ipv4/ip_forward', '1') // else its client warns, and whether it is on depends on the tests before
  const directory = await mkdtemp(join(tmpdir(), 'real-dockerd-'))
  const socketPath = join(directory, 'docker.sock')
  const roots = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')]
  const network = bridge === false ? ['--bridge', 'none'] : bridge === true ? [] : ['--bridge', bridge]
  const isolated = [...network, '--iptables=false', '--ip-forward=false']
  const args = [...roots, ...isolated, '-p', join(directory, 'pid'), '-H', `unix://${socketPath}`, ...more]
  const logFile = join(directory, 'log')
  const log = () => readFileSync(logFile, 'utf8').slice(-4000)
  let child: ChildProcess | undefined
  const start = async () => {
    const output = openSync(logFile, 'a')
    const [program = '', ...words] = [...(ownNetwork ? OWN_NETWORK : []), 'dockerd', ...args]
    const running = spawn(program, words, { stdio: ['ignore', output, output], env: { ...process.env, ...env } })
    child = running
    closeSync(output)
    await eventually('the real dockerd answers', 30_000, async () => {
      if (running.exitCode !== null) throw new Error(`dockerd ended with ${running.exitCode}\n${log()}`)
      return (
        existsSync(socketPath) && (await run(['curl', '-sf', '--unix-socket', socketPath, 'http://x/_ping'])).code === 0
      )
    })
  }
  const kill = async (signal: NodeJS.Signals) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill(signal)
    await gone
  }
  await start()
  return {
    socketPath,
    directory,
    ...{ log, kill, start },
    pid: () => child?.pid ?? 0,
    async [Symbol.asyncDispose]() {
      await kill('SIGTERM')
      if (bridge === true && !ownNetwork) await run(['ip', 'link', 'del', 'docker0'])
      // dockerd leaves its data root mounted upon itself.
      await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

// The same process in the end: what is execed keeps the process id.
const OWN_NETWORK = [
  ...['unshare', '--net', 'sh', '-c'],
  'ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; exec "$@"',
  'sh',
]
