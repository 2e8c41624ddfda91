// A real dockerd as the other side of a comparison, with directories and socket of its own and no network.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, run } from './command.ts'

export interface RealDockerd extends AsyncDisposable {
  socketPath: string
  directory: string
  log(): string
}

/** Undefined where none is installed. `bridge`: with a docker0, which is for a network namespace of the test's own. */
export async function startDockerd({
  args: more = [],
  bridge = false,
}: {
  args?: readonly string[]
  bridge?: boolean
} = {}): Promise<RealDockerd | undefined> {
  if ((await run(['sh', '-c', 'command -v dockerd'])).code !== 0) return undefined
  if (bridge) await writeFile('/proc/sys/net/ipv4/ip_forward', '1') // else its client warns, and whether it is on depends on the tests before
  const directory = await mkdtemp(join(tmpdir(), 'real-dockerd-'))
  const socketPath = join(directory, 'docker.sock')
  const roots = ['--data-root', join(directory, 'data'), '--exec-root', join(directory, 'exec')]
  const isolated = [...(bridge ? [] : ['--bridge', 'none']), '--iptables=false', '--ip-forward=false']
  const args = [...roots, ...isolated, '-p', join(directory, 'pid'), '-H', `unix://${socketPath}`, ...more]
  const logFile = join(directory, 'log')
  const output = openSync(logFile, 'a')
  const child = spawn('dockerd', args, { stdio: ['ignore', output, output] })
  closeSync(output)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  const log = () => readFileSync(logFile, 'utf8').slice(-4000)
  await eventually('the real dockerd answers', 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}\n${log()}`)
    return (
      existsSync(socketPath) && (await run(['curl', '-sf', '--unix-socket', socketPath, 'http://x/_ping'])).code === 0
    )
  })
  return {
    socketPath,
    directory,
    log,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await gone
      if (bridge) await run(['ip', 'link', 'del', 'docker0'])
      // dockerd leaves its data root mounted upon itself.
      await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
