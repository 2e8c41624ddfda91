// berth-containerd as its program with a config.toml, in directories of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type CommandResult, eventually, run } from './command.ts'
import { BIN } from './root.ts'

export interface ConfiguredContainerd {
  directory: string
  address: string
  pid(): number
  ctr(...args: string[]): Promise<CommandResult>
  /** All that it has logged so far. */
  log(): string
  /** Resolves with the exit code. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
  start(): Promise<void>
}

export interface ContainerdRequest {
  directory: string
  /** What stands in config.toml besides the places, which are below `directory`. The first line begins the file's root table. */
  config?: string
  /** Of the `[grpc]` table, besides its address. */
  grpc?: string
  env?: NodeJS.ProcessEnv
  /** Another program to be given the file, such as the original. */
  program?: string
}

/** Who uses it stops it. Resolves when it answers. */
export async function startConfigured(request: ContainerdRequest): Promise<ConfiguredContainerd> {
  const { directory, config = '', grpc = '', env = process.env, program = join(BIN, 'berth-containerd') } = request
  mkdirSync(directory, { recursive: true })
  const address = join(directory, 'c.sock')
  const file = join(directory, 'config.toml')
  writeFileSync(
    file,
    `version = 2\nroot = "${directory}/root"\nstate = "${directory}/state"\n${config}\n[grpc]\naddress = "${address}"\n${grpc}\n`,
  )
  const logFile = join(directory, 'log')
  let child: ChildProcess | undefined
  const ctr = (...args: string[]) => run(['ctr', '-a', address, ...args], { timeoutMs: 30_000 })
  const log = () => readFileSync(logFile, 'utf8')
  const start = async () => {
    const output = openSync(logFile, 'a')
    const started = spawn(program, ['--config', file], { stdio: ['ignore', output, output], env })
    child = started
    closeSync(output)
    await eventually('containerd answers', 20_000, async () => {
      if (started.exitCode !== null) throw new Error(`it ended with ${started.exitCode}\n${log()}`)
      return (await ctr('version')).code === 0
    })
  }
  await start()
  return {
    ...{ directory, address, ctr, log, start },
    pid: () => child?.pid ?? 0,
    async stop(signal = 'SIGTERM') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
      const ended = once(child, 'exit')
      child.kill(signal)
      const [code] = (await ended) as [number | null]
      return code
    },
  }
}

/** Free a moment ago, and nobody else is in the test's network namespace. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
