// Bundles whose root file system or configuration is an attacker's, and a runtime with a state directory of its own to run them.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RuntimeSpec } from '../../src/oci/runtime-spec.ts'
import { type CommandOptions, type CommandResult, must, run } from './command.ts'
import { makeBusyboxTree } from './images.ts'
import { plainSpec } from './plain-spec.ts'
import { callRuntime, RUNTIME } from './runtime.ts'

export interface Hostile {
  /** A shell script that runs in the root of the image's tree. */
  script?: string
  spec?: (spec: RuntimeSpec) => void
  args?: string[]
}

export interface Trial extends AsyncDisposable {
  directory: string
  /** What no container may touch; its files are in `untouched`. */
  victim: string
  bundle(hostile: Hostile): Promise<string>
  /** Any command of the runtime. */
  call(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** A bundle made and run to its end. */
  run(hostile: Hostile, options?: CommandOptions): Promise<CommandResult>
  /** A bundle made and started; its id. */
  start(hostile: Hostile): Promise<string>
  create(hostile: Hostile): Promise<string>
  pidOf(id: string): Promise<number>
  /** Throws unless the victim is as it was made. */
  checkVictim(): void
}

const VICTIM_FILE = 'ptmx' // a name that runtimes replace in /dev

export async function openTrial(prefix: string): Promise<Trial> {
  const directory = mkdtempSync(join(tmpdir(), `berth-${prefix}-`))
  const [state, victim, template] = ['state', 'victim', 'template'].map((name) => join(directory, name))
  if (state === undefined || victim === undefined || template === undefined) throw new Error('three names, three paths')
  for (const path of [state, victim, join(victim, 'inside'), template]) await mkdir(path)
  writeFileSync(join(victim, VICTIM_FILE), 'the host’s')
  await makeBusyboxTree(template)
  const before = look(victim)
  let count = 0
  const nextId = () => `${prefix}-${process.pid}-${++count}`
  const trial: Trial = {
    directory,
    victim,
    async bundle({ script, spec: edit, args }) {
      const bundle = mkdtempSync(join(directory, 'bundle-'))
      await must(['cp', '-a', template, join(bundle, 'rootfs')])
      if (script !== undefined)
        await must(['sh', '-ec', script], { cwd: join(bundle, 'rootfs'), env: { VICTIM: victim } })
      const spec = plainSpec(args ?? ['true'])
      edit?.(spec)
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec))
      return bundle
    },
    call: (args, options) => run([RUNTIME, '--root', state, ...args], options),
    async run(hostile, options) {
      return await trial.call(['run', '--bundle', await trial.bundle(hostile), nextId()], options)
    },
    async start(hostile) {
      const id = nextId()
      await callRuntime(state, 'run', '--detach', '--bundle', await trial.bundle(hostile), id)
      return id
    },
    async create(hostile) {
      const id = nextId()
      await callRuntime(state, 'create', '--bundle', await trial.bundle(hostile), id)
      return id
    },
    async pidOf(id) {
      const told: unknown = JSON.parse(await must([RUNTIME, '--root', state, 'state', id]))
      if (typeof told !== 'object' || told === null || !('pid' in told) || typeof told.pid !== 'number')
        throw new Error(`no pid in the state of ${id}`)
      return told.pid
    },
    checkVictim() {
      const now = look(victim)
      if (now !== before) throw new Error(`the host was touched:\n${now}\nand not\n${before}`)
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
      const seen = mounts.filter((line) => line.includes(victim))
      if (seen.length > 0) throw new Error(`mounted on the host:\n${seen.join('\n')}`)
    },
    async [Symbol.asyncDispose]() {
      const { stdout } = await trial.call(['list', '--quiet'])
      for (const id of stdout.split('\n').filter((line) => line !== '')) await trial.call(['delete', '--force', id])
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return trial
}

/** Names, kinds, owners, modes, inodes, times of change: whatever a write or a mount would alter. */
function look(directory: string): string {
  const format = '%P %y %i %U:%G %m %s %C@\\n'
  return execFileSync('find', [directory, '-mindepth', '1', '-printf', format], { encoding: 'utf8' })
    .split('\n')
    .sort()
    .join('\n')
}
