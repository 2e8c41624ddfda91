// Drives the targets: `FUZZ_SECONDS` for each (5 where it is not said), `FUZZ_SEED` to see a failure again, `FUZZ_ONLY` for one of them.
import { attempt, TARGETS, type Target } from './targets.ts'
import { mutate, Random } from './mutate.ts'

/** No parser of ours may think longer about a megabyte. */
const INPUT_MS_MAX = 2000

export interface FuzzResult {
  runs: number
  /** How many inputs were taken, not refused: a fuzzer that is always refused looks at nothing. */
  taken: number
}

/** Throws with target, seed and input at the first bug. */
export async function fuzz(
  name: string,
  target: Target,
  options: { seed: number; durationMs: number },
): Promise<FuzzResult> {
  const random = new Random(options.seed)
  const end = performance.now() + options.durationMs
  const result = { runs: 0, taken: 0 }
  while (performance.now() < end) {
    const input = mutate(random, random.pick(target.samples), target.samples)
    const start = performance.now()
    try {
      if (await attempt(target, input)) result.taken++
    } catch (error) {
      throw new Error(explain(name, options.seed, result.runs, input), { cause: error })
    }
    if (performance.now() - start > INPUT_MS_MAX)
      throw new Error(`too slow: ${explain(name, options.seed, result.runs, input)}`)
    result.runs++
  }
  return result
}

function explain(name: string, seed: number, run: number, input: Buffer): string {
  return `FUZZ_ONLY='${name}' FUZZ_SEED=${seed}, input ${run}: ${JSON.stringify(input.toString('latin1').slice(0, 2000))}`
}

export function newSeed(): number {
  return Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
}

/** For `make fuzz`. */
export async function fuzzAll(durationMs: number): Promise<void> {
  const seed = newSeed()
  const only = process.env['FUZZ_ONLY']
  console.log(`seed ${seed}`)
  for (const [name, target] of Object.entries(TARGETS)) {
    if (only !== undefined && only !== name) continue
    const { runs, taken } = await fuzz(name, target, { seed, durationMs })
    console.log(`${name.padEnd(20)} ${String(runs).padStart(9)} inputs, ${taken} taken`)
  }
}
