// An engine under test: berthd with directories, socket and network of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, openSync, readFileSync, rmdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { BIN } from './root.ts'
import { placesOfGroup } from './residue.ts'
import { type CommandOptions, type CommandResult, eventually, must, run } from './command.ts'

export interface TestEngine extends AsyncDisposable {
  directory: string
  /** Where the control groups of its containers are, below each hierarchy's root. */
  cgroupParent: string
  /** `unix://…` for DOCKER_HOST. */
  host: string
  socketPath: string
  docker(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  berth(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** `docker`, which must exit 0; its trimmed output. */
  ok(...args: string[]): Promise<string>
  enginePid(): number
  containerdPid(): number
  /** kill -9 of the engine; the harness starts it again only by `start`. */
  killEngine(): Promise<void>
  killContainerd(): Promise<void>
  start(): Promise<void>
  /** SIGTERM and wait. */
  stop(): Promise<void>
  log(): string
}

export interface EngineOptions {
  args?: readonly string[]
  directory?: string
  env?: Record<string, string>
  debug?: false
  /** A place of its own, for tests that look for what is left: in the default one are the containers of every other engine of the machine. */
  cgroups?: 'own'
}

/** Starts an engine and waits until it answers. Disposal removes its containers, stops it, deletes its directory. */
export async function startEngine(options: EngineOptions = {}): Promise<TestEngine> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'berth-test-')))
  const cgroupParent = options.cgroups === 'own' ? `berth-test-${basename(directory)}` : 'docker'
  const socketPath = `${directory}/engine.sock`
  const host = `unix://${socketPath}`
  const logFile = `${directory}/engine.log`
  const env = { DOCKER_HOST: host, BERTH_HOST: host, DOCKER_CONFIG: `${directory}/docker-config` }
  let child: ChildProcess | undefined

  const docker = (args: readonly string[], more: CommandOptions = {}) =>
    run(['docker', ...args], { ...more, env: { ...env, ...more.env } })
  const start = async () => {
    const output = openSync(logFile, 'a')
    const args = [
      '--data-root',
      `${directory}/data`,
      '--exec-root',
      `${directory}/exec`,
      '-p',
      `${directory}/engine.pid`,
      '-H',
      host,
      ...(options.debug === false ? [] : ['--debug']),
      ...(options.cgroups === 'own' ? ['--cgroup-parent', `/${cgroupParent}`] : []),
    ]
    child = spawn(join(BIN, 'berthd'), [...args, ...(options.args ?? [])], {
      stdio: ['ignore', output, output],
      detached: true,
      env: { ...process.env, ...options.env },
    })
    const started = child
    await eventually(`the engine answers (${directory})`, 15_000, async () => {
      if (started.exitCode !== null) throw new Error(`berthd ended: ${readFileSync(logFile, 'utf8').slice(-2000)}`)
      return (
        existsSync(socketPath) && (await run(['curl', '-sf', '--unix-socket', socketPath, 'http://x/_ping'])).code === 0
      )
    })
  }
  const pidOf = (file: string) => Number(readFileSync(file, 'utf8').trim())
  const killAndWait = async (pid: number) => {
    process.kill(pid, 'SIGKILL')
    await eventually(`process ${pid} is gone`, 5_000, () => !isAlive(pid))
  }
  const engine: TestEngine = {
    directory,
    cgroupParent,
    host,
    socketPath,
    docker,
    berth: (args, more = {}) => run([join(BIN, 'berth'), ...args], { ...more, env: { ...env, ...more.env } }),
    ok: (...args) => must(['docker', ...args], { env }),
    enginePid: () => pidOf(`${directory}/engine.pid`),
    containerdPid: () => pidOf(`${directory}/exec/containerd/containerd.pid`),
    killEngine: () => killAndWait(pidOf(`${directory}/engine.pid`)),
    killContainerd: () => killAndWait(pidOf(`${directory}/exec/containerd/containerd.pid`)),
    start,
    async stop() {
      const running = child
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
      const gone = new Promise((done) => running.once('exit', done))
      running.kill('SIGTERM')
      await gone
    },
    log: () => readFileSync(logFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      const ids = await engine.berth(['ps', '-aq'])
      if (ids.stdout.trim() !== '') await engine.berth(['rm', '-f', '-v', ...ids.stdout.trim().split('\n')])
      await this.stop()
      if (options.cgroups === 'own') removeGroups(cgroupParent)
      await rm(directory, { recursive: true, force: true })
    },
  }
  await start().catch(async (error: unknown) => {
    await engine.stop()
    throw error
  })
  return engine
}

/** A parent that an engine was told of stays when its containers have gone, as Docker's does; it must be empty. */
function removeGroups(parent: string): void {
  for (const path of placesOfGroup(parent)) rmdirSync(path)
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
