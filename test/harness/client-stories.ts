// Stories: shell lines run one after the other by docker and by berth, each with a configuration of its own, and compared line by line.
import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { type CommandResult, run } from './command.ts'
import { BIN } from './root.ts'

export const PROGRAMS = { docker: 'docker', berth: `${BIN}/berth` } as const
export type ClientName = keyof typeof PROGRAMS

export interface StorySetting {
  /** Under it every story has a directory; `DIR` in a line. */
  directory: string
  env: Record<string, string>
  /** What two programs cannot have in common, besides their names and directories. */
  mask?: (text: string) => string
}

export interface Told {
  /** Where this program's config.json is; `OWN` in a line. */
  config: string
  results: CommandResult[]
}

/** `$P` in a line is the program. Lines run in the program's own directory. */
export async function tell(
  name: ClientName,
  title: string,
  lines: readonly string[],
  { directory, env, mask = (text) => text }: StorySetting,
): Promise<Told> {
  const config = `${directory}/${title.replaceAll(/\W+/g, '-')}/config-${name}`
  await mkdir(config, { recursive: true })
  const clean = (text: string) =>
    mask(text.replace(/\bberth\b(?!-)/g, 'docker').replaceAll(/\/config-(docker|berth)/g, '/config'))
  const results: CommandResult[] = []
  for (const line of lines) {
    const words = line.replaceAll('DIR', directory).replaceAll('OWN', config).replaceAll('$P', PROGRAMS[name])
    const told = await run(['sh', '-c', `cd ${config}; ${words}`], {
      env: { ...env, DOCKER_CONFIG: config },
      timeoutMs: 60_000,
    })
    results.push({ code: told.code, stdout: clean(told.stdout), stderr: clean(told.stderr) })
  }
  return { config, results }
}

/** The first line that the two tell differently is the failure. */
export async function assertSameStory(title: string, lines: readonly string[], setting: StorySetting): Promise<void> {
  const theirs = await tell('docker', title, lines, setting)
  const ours = await tell('berth', title, lines, setting)
  for (const [index, line] of lines.entries())
    assert.deepEqual(ours.results[index], theirs.results[index], `${line} after ${lines.slice(0, index).join('; ')}`)
}
