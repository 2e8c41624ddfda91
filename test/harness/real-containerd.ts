// A real containerd with root, state and socket of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, run } from './command.ts'

export interface RealContainerd extends AsyncDisposable {
  directory: string
  address: string
  log(): string
  /** SIGKILL, and waits for its end. Its shims and what they run go on. */
  kill(): Promise<void>
  /** After `kill`: resolves once it answers. */
  start(): Promise<void>
}

/** containerd must be installed. Who uses it removes its tasks before it is disposed of. */
export async function startRealContainerd(): Promise<RealContainerd> {
  const directory = await mkdtemp(join(tmpdir(), 'real-containerd-'))
  const address = join(directory, 'c.sock')
  const config = join(directory, 'config.toml')
  await writeFile(
    config,
    `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${address}"
`,
  )
  const logFile = join(directory, 'log')
  const log = () => readFileSync(logFile, 'utf8').slice(-4000)
  let daemon: ChildProcess | undefined
  const start = async () => {
    const output = openSync(logFile, 'a')
    const child = spawn('containerd', ['-c', config], { stdio: ['ignore', output, output] })
    daemon = child
    closeSync(output)
    await eventually('the real containerd answers', 30_000, async () => {
      if (child.exitCode !== null) throw new Error(`containerd ended with ${child.exitCode}\n${log()}`)
      return (await run(['ctr', '-a', address, 'version'])).code === 0
    })
  }
  const end = async (signal: NodeJS.Signals) => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    const gone = once(daemon, 'exit')
    daemon.kill(signal)
    await gone
  }
  await start()
  return {
    directory,
    address,
    log,
    kill: () => end('SIGKILL'),
    start,
    async [Symbol.asyncDispose]() {
      await end('SIGTERM')
      for (const pid of shimsOf(address)) process.kill(pid, 'SIGKILL') // one that lost its daemon at the wrong moment stays for ever
      await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function shimsOf(address: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const words = /^\d+$/.test(name) ? readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0') : []
      return words.some((word) => word.includes('containerd-shim')) && words.includes(address) ? [Number(name)] : []
    } catch {
      return [] // it ended while we looked
    }
  })
}
