// Columns as Go's tabwriter makes them with runc's settings: at least twelve wide, three spaces between.

const LEAST = 12
const GAP = 3

export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(LEAST, ...all.map((row) => (row[column]?.length ?? 0) + GAP)))
  return all
    .map(
      (row) => `${row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? LEAST))).join('')}\n`,
    )
    .join('')
}
