// Columns as Go's text/tabwriter makes them: a column is as wide as its widest cell in a run of lines that have it.

/** @param padding spaces between columns. Cells of the last column are not padded. */
export function formatTable(rows: readonly (readonly string[])[], minWidth = 10, padding = 3): string {
  const widths = rows.map((row) => new Array<number>(row.length).fill(0))
  for (const [index, row] of rows.entries())
    for (let column = 0; column < row.length - 1; column++)
      if (widths[index]?.[column] === 0) measureRun(rows, widths, index, column, minWidth, padding)
  return rows
    .map((row, index) => `${row.map((cell, column) => padCell(cell, widths[index]?.[column] ?? 0)).join('')}\n`)
    .join('')
}

function measureRun(
  rows: readonly (readonly string[])[],
  widths: number[][],
  start: number,
  column: number,
  minWidth: number,
  padding: number,
): void {
  let end = start
  let width = minWidth
  // Only a cell that another one follows belongs to the column.
  for (; end < rows.length && (rows[end]?.length ?? 0) - 1 > column; end++)
    width = Math.max(width, lengthOf(rows[end]?.[column] ?? '') + padding)
  for (let index = start; index < end; index++) {
    const own = widths[index]
    if (own !== undefined) own[column] = width
  }
}

function padCell(cell: string, width: number): string {
  return cell + ' '.repeat(Math.max(0, width - lengthOf(cell)))
}

/** In characters, not UTF-16 units. */
function lengthOf(text: string): number {
  return [...text].length
}
