// Our engine and the original dockerd side by side, with the same image in both: the same command lines, the same to be seen.
import assert from 'node:assert/strict'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestEngine, startEngine } from './berth.ts'
import { must, run } from './command.ts'
import { type RealDockerd, startDockerd } from './dockerd.ts'
import { type TestRegistry, startRegistry } from './registry.ts'
import { BIN } from './root.ts'

export interface EnginePair extends AsyncDisposable {
  ours: TestEngine
  theirs: RealDockerd
  registry: TestRegistry
  /** `sh -ec`, once with each; what it printed, its exit code last. */
  both(script: string, options?: PairOptions): Promise<{ ours: string; theirs: string }>
  /** Fails unless both print the same. */
  assertSame(script: string, options?: PairOptions): Promise<string>
}

/** Where the original mounts a container; 28 sees paths from the inside, as ours does. */
const MERGED = /\/\S*\/overlay2\/[0-9a-f]{64}\/merged/g

export interface PairOptions {
  /** What each side prints by its own nature: ids, addresses. */
  normalise?: (text: string) => string
  /** What both must print at least: that they fail alike proves little. */
  expect?: RegExp
  /** Instead of the Docker CLI for both. */
  client?: 'each its own'
}

/** Undefined where no dockerd is installed. Scripts have `$D`, a directory of their side's own, and `docker`. */
export async function startEnginePair(
  image: (registry: TestRegistry) => Promise<string>,
): Promise<EnginePair | undefined> {
  const theirs = await startDockerd()
  if (theirs === undefined) return undefined
  const ours = await startEngine()
  const registry = await startRegistry(join(ours.directory, 'registry'))
  const name = await image(registry)
  const sides = [
    { host: ours.host, directory: join(ours.directory, 'side') },
    { host: `unix://${theirs.socketPath}`, directory: join(theirs.directory, 'side') },
  ] as const
  for (const { host, directory } of sides) {
    await mkdir(directory)
    const env = { DOCKER_HOST: host, DOCKER_CONFIG: directory }
    await must(['sh', '-ec', 'docker pull -q "$1"; docker tag "$1" pair', 'sh', name], { env })
  }
  const on = async (side: (typeof sides)[number], script: string, options: PairOptions) => {
    const isOurs = side === sides[0]
    const env = {
      DOCKER_HOST: side.host,
      DOCKER_CONFIG: side.directory,
      D: side.directory,
      LC_ALL: 'C',
    }
    const client = options.client === 'each its own' && isOurs ? `docker() { '${BIN}/berth' "$@"; }; ` : ''
    const { stdout, stderr, code } = await run(['sh', '-c', `${client}${script}`], { env, cwd: side.directory })
    const text = `${stdout}${stderr}exit ${code}`.replaceAll(side.directory, '$D').replace(MERGED, '')
    return options.normalise?.(text) ?? text
  }
  const both: EnginePair['both'] = async (script, options = {}) => {
    const [mine, other] = [await on(sides[0], script, options), await on(sides[1], script, options)]
    return { ours: mine, theirs: other }
  }
  return {
    ours,
    theirs,
    registry,
    both,
    async assertSame(script, options = {}) {
      const answers = await both(script, options)
      assertEqualLines(answers.ours, answers.theirs, script)
      if (options.expect !== undefined) assert.match(answers.ours, options.expect)
      return answers.ours
    },
    async [Symbol.asyncDispose]() {
      const env = { DOCKER_HOST: sides[1].host }
      await run(['sh', '-c', 'docker ps -aq | xargs -r docker rm -fv'], { env })
      await registry[Symbol.asyncDispose]()
      await ours[Symbol.asyncDispose]()
      await theirs[Symbol.asyncDispose]()
      await rm(ours.directory, { recursive: true, force: true })
    },
  }
}

/** The first lines that differ: whole answers are long. */
function assertEqualLines(ours: string, theirs: string, script: string): void {
  const [mine, other] = [ours.split('\n'), theirs.split('\n')]
  const at = mine.findIndex((line, i) => line !== other[i])
  if (at < 0 && mine.length === other.length) return
  const from = at < 0 ? mine.length : at
  const part = (lines: string[]) => lines.slice(Math.max(0, from - 2), from + 6).join('\n')
  assert.equal(part(mine), part(other), `line ${from + 1} of ${script}`)
}
