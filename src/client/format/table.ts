// Columns as Go's tabwriter makes them for the Docker client: padded to the widest cell.

/** Three spaces between columns; cells of the last column are not padded. */
export function formatTable(rows: readonly (readonly string[])[], minWidth = 10, padding = 3): string {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(minWidth, ...rows.map((row) => (row[column] ?? '').length + padding)),
  )
  return rows
    .map(
      (row) =>
        `${row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('')}\n`,
    )
    .join('')
}
