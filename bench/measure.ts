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
  const samples = new Map<Side, number[]>(sides.map((side) => [side, []]))
  for (const side of sides) await work(side) // first touch is not measured
  for (let round = 0; round < repeats; round++) for (const side of sides) samples.get(side)?.push(await work(side))
  return sides.map((side) => summarize(samples.get(side) ?? []))
}

export function summarize(values: readonly number[]): Sample {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, least: sorted[0] ?? Number.NaN }
}

/** Milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint()
  await work()
  return Number(process.hrtime.bigint() - start) / 1e6
}
