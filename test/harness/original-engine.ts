// Our engine with Debian's containerd, and what the two hold, as a list of words: nothing of it may be left behind.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEngine, type TestEngine } from './berth.ts'
import { must } from './command.ts'
import { pushBusybox } from './images.ts'
import { type RealContainerd, startRealContainerd } from './real-containerd.ts'
import { startRegistry, type TestRegistry } from './registry.ts'

export interface OriginalEngine extends AsyncDisposable {
  engine: TestEngine
  containerd: RealContainerd
  /** busybox, pulled. */
  image: string
  /** containerd's own tool in the engine's namespace; its trimmed output. */
  ctr(...args: string[]): Promise<string>
  /** Of containers: in containerd, in the engine's directories, in the mount table, of processes. */
  leavings(): Promise<string[]>
}

export async function startOriginalEngine(daemonJson: object): Promise<OriginalEngine> {
  const containerd = await startRealContainerd()
  const config = join(containerd.directory, 'daemon.json')
  await must(['sh', '-c', 'cat >"$0"', config], { input: JSON.stringify(daemonJson) })
  const engine = await startEngine({ args: ['--containerd', containerd.address, '--config-file', config] })
  const registry: TestRegistry = await startRegistry(`${engine.directory}/registry`)
  await pushBusybox(registry.host)
  const image = `${registry.host}/busybox`
  await engine.ok('pull', '-q', image)
  const ctr = (...args: string[]) => must(['ctr', '-a', containerd.address, '-n', 'moby', ...args])
  return {
    engine,
    containerd,
    image,
    ctr,
    async leavings() {
      const lists = await Promise.all([
        ctr('containers', 'ls', '-q'),
        ctr('tasks', 'ls', '-q'),
        ctr('leases', 'ls', '-q'),
        ctr('snapshots', 'ls').then(activeSnapshots),
      ])
      const asked = lists.flatMap((text) => text.split('\n').filter(Boolean))
      const directories = ['containerd/fifo', 'streams', 'netns', 'shm'].map((name) =>
        join(engine.directory, 'exec', name),
      )
      const files = directories.flatMap((path) => (existsSync(path) ? readdirSync(path) : []))
      const bundles = join(containerd.directory, 'state/io.containerd.runtime.v2.task/moby')
      const left = [...asked, ...files, ...(existsSync(bundles) ? readdirSync(bundles) : [])]
      return [...left, ...mounts(engine.directory), ...mounts(containerd.directory), ...relays(engine.directory)].sort()
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await engine[Symbol.asyncDispose]()
      await containerd[Symbol.asyncDispose]()
    },
  }
}

function activeSnapshots(table: string): string {
  const lines = table.split('\n').filter((line) => / Active$| View$/.test(line.trimEnd()))
  return lines.map((line) => line.split(/\s+/)[0]).join('\n')
}

function mounts(directory: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.flatMap((line) => (line.includes(` ${directory}/`) ? [`mount ${line.split(' ')[4]}`] : []))
}

function relays(directory: string): string[] {
  return relayPids(directory).map((pid) => `relay ${pid}`)
}

/** Of all containers of the engine there, or of one. */
export function relayPids(directory: string, containerId = ''): number[] {
  const place = join(directory, 'exec/containerd/fifo', containerId)
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const words = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0') : []
      return words[0] === 'berth-shim' && words[2]?.startsWith(place) ? [Number(pid)] : []
    } catch {
      return [] // it ended while we looked
    }
  })
}
