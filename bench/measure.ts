// Timing things that are to be compared.

export interface Sample {
  median: number
  least: number
}

/** Per side. They take turns, so that what the machine does to one it does to the other. */
export async function alternate<Side>(
  sides: readonly Side[],
  repeats: number,
  work: (side: Side) => Promise<number>,
): Promise<Sample[]> {
  for (const side of sides) await work(side) // first touch is not measured
  const samples = await takeTurns(sides, repeats, async (side) => [await work(side)])
  return samples.map(([sample = summarize([])]) => sample)
}

/** The same for work that gives several numbers at a time; per side, then per number. The first touch counts. */
export async function takeTurns<Side>(
  sides: readonly Side[],
  repeats: number,
  work: (side: Side) => Promise<readonly number[]>,
): Promise<Sample[][]> {
  const rounds = new Map<Side, (readonly number[])[]>(sides.map((side) => [side, []]))
  for (let round = 0; round < repeats; round++) for (const side of sides) rounds.get(side)?.push(await work(side))
  return sides.map((side) => {
    const all = rounds.get(side) ?? []
    return (all[0] ?? []).map((_, index) => summarize(all.map((values) => values[index] ?? Number.NaN)))
  })
}

export function summarize(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: quantile(sorted, 0.5), least: sorted[0] ?? Number.NaN }
}

/** Of numbers in order; NaN of none. */
export function quantile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN
}

/** Milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e6
}
