// Runs chapters of command lines on the original and on ours, in step, and says where what is printed is not the same.
import { isDeepStrictEqual } from 'node:util'
import { type CommandResult, eventually } from './command.ts'
import { showDifference } from './drop-in.ts'
import { isOptional, type KnownDifference } from './parity-differences.ts'
import type { Chapter, ParityLine } from './parity-lines.ts'
import { maskResult } from './parity-mask.ts'
import type { ParityClient, ParitySide, ParitySides } from './parity-sides.ts'

/** Lines of a chapter that differ, with what only one side says. */
export type Differences = Map<string, string[]>

export interface Verdict {
  /** That are listed nowhere, or that are listed with other words. */
  unlisted: Differences
  /** That are listed and did not show. */
  gone: string[]
}

/**
 * Compares the chapter with what is listed. A chapter that is not as listed is run again: what counts is what shows each time, since the
 * peers have races of their own, and two busy cores make new ones.
 */
export async function judgeChapter(
  chapter: Chapter,
  client: ParityClient,
  sides: ParitySides,
  known: readonly KnownDifference[],
): Promise<Verdict> {
  const listed = known.filter((one) => one.chapter === chapter.name && one.clients.includes(client.name))
  let verdict = compareWithListed(await runChapter(chapter, client, sides), listed)
  for (let left = 2; left > 0 && (verdict.unlisted.size > 0 || verdict.gone.length > 0); left--) {
    const again = compareWithListed(await runChapter(chapter, client, sides), listed)
    verdict = {
      unlisted: new Map([...again.unlisted].filter(([key]) => verdict.unlisted.has(key))),
      gone: again.gone.filter((key) => verdict.gone.includes(key)),
    }
  }
  return verdict
}

export function compareWithListed(found: Differences, listed: readonly KnownDifference[]): Verdict {
  const unlisted: Differences = new Map(
    [...found].filter(([key, words]) => {
      const one = listed.find(({ line }) => line === key)
      return one === undefined || (one.shows !== undefined && !isDeepStrictEqual(one.shows, words))
    }),
  )
  const gone = listed.filter((one) => !isOptional(one) && !found.has(one.line)).map(({ line }) => line)
  return { unlisted, gone }
}

/** From a clean state to a clean state. `each` hears of every line when it is through. */
export async function runChapter(
  chapter: Chapter,
  client: ParityClient,
  sides: ParitySides,
  each: (line: ParityLine, difference: string[] | undefined, ms: number) => void = () => {},
): Promise<Differences> {
  const pair = [sides.original, sides.ours]
  const running = new Map<string, Promise<CommandResult>>()
  const differences: Differences = new Map()
  try {
    for (const line of chapter.lines) {
      const start = Date.now()
      const [original, ours] = await Promise.all(pair.map((side) => runLine(line, client, side, running)))
      const difference =
        original === undefined || ours === undefined || isDeepStrictEqual(original, ours)
          ? undefined
          : showDifference(original, ours).split('\n')
      if (difference !== undefined) differences.set(line.key, difference)
      each(line, difference, Date.now() - start)
    }
  } finally {
    await Promise.allSettled(running.values())
    await Promise.all(pair.map((side) => side.clean(client)))
  }
  return differences
}

/** What a caller sees, line by line; undefined of a line that goes on in the background. */
async function runLine(
  line: ParityLine,
  client: ParityClient,
  side: ParitySide,
  running: Map<string, Promise<CommandResult>>,
): Promise<string[] | undefined> {
  const key = (name: string) => `${side.name} ${name}`
  if (line.background !== undefined) {
    running.set(key(line.background), side.shell(line.script, client))
    return undefined
  }
  if (line.awaited !== undefined) {
    const result = await running.get(key(line.awaited))
    running.delete(key(line.awaited))
    if (result === undefined) throw new Error(`nothing is called ${line.awaited}`)
    return describe(result, line, side)
  }
  return describe(await runUntil(line, client, side), line, side)
}

async function runUntil(line: ParityLine, client: ParityClient, side: ParitySide): Promise<CommandResult> {
  const { until } = line
  if (until === undefined) return side.shell(line.script, client)
  let last: CommandResult | undefined
  const wanted = eventually(line.key, 30_000, async () => {
    last = await side.shell(line.script, client)
    return until.test(last.stdout + last.stderr) ? last : undefined
  })
  return wanted.catch((error: unknown) => last ?? { code: -1, stdout: '', stderr: String(error) })
}

function describe(result: CommandResult, line: ParityLine, side: ParitySide): string[] {
  const { code, stdout, stderr } = maskResult(result, side.places)
  const out = stdout.split('\n')
  const stream = (name: string, lines: readonly string[]) => lines.map((words) => `${name} ${words}`)
  return [`exit ${code}`, ...stream('stdout', line.sorted ? out.sort() : out), ...stream('stderr', stderr.split('\n'))]
}
