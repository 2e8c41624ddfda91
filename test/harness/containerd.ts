// berth-containerd with directories of its own, and the original ctr 2.x to drive it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ContainerdClient, connectContainerd, waitForContainerd } from '../../src/containerd/client/client.ts'
import { type CommandOptions, type CommandResult, eventually, run } from './command.ts'
import { ctrTwo } from './ctr-two.ts'
import { BIN } from './root.ts'

export interface TestContainerd extends AsyncDisposable {
  directory: string
  address: string
  /** The path of ctr. */
  program: string
  ctr(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `ctr`, which must exit 0; its trimmed output. */
  ok(...args: string[]): Promise<string>
  client(namespace: string): ContainerdClient
  /** SIGKILL, and wait for it. */
  kill(): Promise<void>
  start(): Promise<void>
}

export async function startContainerd(): Promise<TestContainerd> {
  const program = await ctrTwo()
  const directory = await mkdtemp(join(tmpdir(), 'containerd-'))
  const address = join(directory, 'c.sock')
  const clients: ContainerdClient[] = []
  let daemon: ChildProcess | undefined
  const client = (namespace: string) => {
    const made = connectContainerd({ address, namespace })
    clients.push(made)
    return made
  }
  const start = async () => {
    const output = openSync(join(directory, 'log'), 'a')
    const args = ['--address', address, '--root', join(directory, 'root'), '--state', join(directory, 'state')]
    daemon = spawn(join(BIN, 'berth-containerd'), args, { stdio: ['ignore', output, output] })
    closeSync(output)
    await waitForContainerd(client('default'), 15_000)
  }
  const stop = async (signal: NodeJS.Signals) => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    daemon.kill(signal)
    await once(daemon, 'exit')
  }
  const ctr = (args: readonly string[], options: CommandOptions = {}) =>
    run([program, '-a', address, ...args], { timeoutMs: 60_000, ...options })
  await start()
  return {
    directory,
    address,
    program,
    ctr,
    async ok(...args) {
      const { code, stdout, stderr } = await ctr(args)
      if (code === 0) return stdout.trim()
      const log = readFileSync(join(directory, 'log'), 'utf8').slice(-2000)
      throw new Error(`ctr ${args.join(' ')}: exit ${code}\n${stdout}\n${stderr}\n${log}`)
    },
    client,
    kill: () => stop('SIGKILL'),
    start,
    async [Symbol.asyncDispose]() {
      for (const each of clients) each.close()
      await stop('SIGTERM')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** What a namespace holds that no image does: uploads, leases, snapshots, content. */
export async function leavingsOf(client: ContainerdClient): Promise<string[]> {
  const { leases } = await client.leases.list({ filters: [] })
  const { statuses } = await client.content.listStatuses({ filters: [] })
  const found = [...leases.map(({ id }) => `lease ${id}`), ...statuses.map(({ ref }) => `ingest ${ref}`)]
  for await (const { info } of client.snapshots.list({ snapshotter: '', filters: [] }))
    found.push(...info.map(({ name }) => `snapshot ${name}`))
  for await (const { info } of client.content.list({ filters: [] }))
    found.push(...info.map(({ digest }) => `content ${digest}`))
  return found
}

/** Waits for the collection that follows a transfer. */
export async function assertNothingLeft(client: ContainerdClient): Promise<void> {
  let found: string[] = []
  const look = async () => {
    found = await leavingsOf(client)
    return found.length === 0
  }
  await eventually('nothing is left', 10_000, look).catch(() => {
    throw new Error(`left: ${found.join(', ')}`)
  })
}
