// An original containerd and ours side by side, and the same shell lines run against both.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type CommandResult, eventually, run } from './command.ts'
import { insist, type parseLines, PRELUDE, showDifference } from './drop-in.ts'
import { BIN } from './root.ts'

export interface PairSide {
  name: 'ours' | 'theirs'
  address: string
  /** The daemon's root and state are below it. */
  directory: string
  log(): string
}

export interface ContainerdPair extends AsyncDisposable {
  /** For files of both. */
  directory: string
  sides: readonly [ours: PairSide, theirs: PairSide]
}

/** @param original the program of the original containerd; ctr is what both are waited for with, and emptied by. */
export async function startPair(original: string, ctr: string): Promise<ContainerdPair> {
  const directory = await mkdtemp(join(tmpdir(), 'containerd-pair-'))
  await chmod(directory, 0o755) // containers of user namespaces look for their root file systems below it
  const undo: (() => Promise<void>)[] = []
  const dispose = async () => {
    for (const step of undo.reverse()) await step()
    await run(['sh', '-c', `grep -o " ${directory}[^ ]*" /proc/self/mounts | sort -r | xargs -r umount -l`])
    await rm(directory, { recursive: true, force: true })
  }
  const start = async (name: PairSide['name'], argv: readonly string[]): Promise<PairSide> => {
    const home = join(directory, name)
    const log = () => readFileSync(join(directory, `${name}.log`), 'utf8')
    const side: PairSide = { name, address: join(home, 'c.sock'), directory: home, log }
    undo.push(await spawnDaemon(side, argv, ctr))
    return side
  }
  try {
    for (const name of ['ours', 'theirs']) mkdirSync(join(directory, name))
    const config = join(directory, 'config.toml')
    await writeFile(config, originalConfig(join(directory, 'theirs')))
    const flags = (home: string) => [
      '--address',
      `${home}/c.sock`,
      '--root',
      `${home}/root`,
      '--state',
      `${home}/state`,
    ]
    const ours = await start('ours', [join(BIN, 'berth-containerd'), ...flags(join(directory, 'ours'))])
    const theirs = await start('theirs', [original, '--config', config])
    return { directory, sides: [ours, theirs], [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

function originalConfig(home: string): string {
  return `version = 2
root = "${home}/root"
state = "${home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "${home}/c.sock"
`
}

/** @returns what removes all that is in it, and then ends it. */
async function spawnDaemon(side: PairSide, argv: readonly string[], ctr: string): Promise<() => Promise<void>> {
  const output = openSync(join(side.directory, `../${side.name}.log`), 'a')
  const [program = '', ...flags] = argv
  // What is beside the program goes before what is installed: its shim, for one.
  const env = { ...process.env, PATH: `${dirname(program)}:${process.env['PATH']}` }
  const child = spawn(program, flags, { stdio: ['ignore', output, output], env })
  closeSync(output)
  const gone = new Promise((resolve) => child.once('exit', resolve))
  await eventually(`${program} answers`, 30_000, async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}\n${side.log().slice(-4000)}`)
    return (await run([ctr, '-a', side.address, 'version'])).code === 0
  })
  return async () => {
    const script = `for n in $(${ctr} -a ${side.address} ns ls -q); do X="${ctr} -a ${side.address} -n $n"; ${EMPTY_TASKS}; done`
    await run(['sh', '-c', script])
    child.kill('SIGTERM')
    await gone
  }
}

/** What a namespace $X can hold that does not go with its daemon. */
const EMPTY_TASKS = 'for c in $($X t ls -q); do $X t rm -f $c; done; for c in $($X c ls -q); do $X c rm $c; done'

/** What may differ between any two daemons, and why. */
export interface Difference {
  reason: string
  pattern: RegExp
  as: string
}

export interface Walk {
  pair: ContainerdPair
  /** Shell variables of the lines: $X is ctr in a namespace of the walk's own, $C an id, $F the pair's directory, $R the side's. */
  env: (side: PairSide) => Record<string, string>
  differences: readonly Difference[]
}

/** Runs one line, `<code> | <script>` as in drop-in.ts, against both at once and insists on the same two streams and the expected exit code. */
export async function assertSameLine(line: ReturnType<typeof parseLines>[number], walk: Walk): Promise<void> {
  await insist(() => compareOnce(line, walk))
}

async function compareOnce(line: ReturnType<typeof parseLines>[number], walk: Walk): Promise<void> {
  const results = await Promise.all(
    walk.pair.sides.map(async (side) => {
      const options = { env: { ...walk.env(side), R: side.directory, F: walk.pair.directory }, cwd: side.directory }
      const result = comparable(await run(['sh', '-c', `${PRELUDE}\n${line.script}`], options), side, walk)
      return line.words !== undefined && result.stderr.includes(line.words) ? { ...result, stderr: line.words } : result
    }),
  )
  const [ours, theirs] = results.map(describeResult)
  if (isDeepStrictEqual(ours, theirs) && theirs?.[0] === `exit ${line.code}`) return
  const expected =
    theirs?.[0] === `exit ${line.code}` ? '' : `expected exit ${line.code} of theirs: ${theirs?.join('\n')}\n`
  assert.fail(`${line.script}\n${expected}${showDifference(theirs ?? [], ours ?? [])}`)
}

function describeResult({ code, stdout, stderr }: CommandResult): string[] {
  const stream = (name: string, text: string) => text.split('\n').map((words) => `${name} ${words}`)
  return [`exit ${code}`, ...stream('stdout', stdout), ...stream('stderr', stderr)]
}

function comparable({ code, stdout, stderr }: CommandResult, side: PairSide, walk: Walk): CommandResult {
  const normalise = (text: string) =>
    walk.differences.reduce(
      (words, { pattern, as }) => words.replace(pattern, as),
      text.replaceAll(side.directory, '<home>'),
    )
  return { code, stdout: normalise(stdout), stderr: normalise(stderr) }
}
