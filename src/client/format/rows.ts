// Lists of rows by `--format`: table (ours or the user's columns), json, or a template per row.
import { formatTable } from './table.ts'
import { renderTemplate } from './template.ts'

/** A column's header and where its cell comes from in a row. */
export type Columns<Row> = readonly { field: keyof Row & string; header: string; hidden?: boolean }[]

const ESCAPES: Record<string, string> = { '\\t': '\t', '\\n': '\n' }

export function formatRows<Row extends object>(
  rows: readonly Row[],
  columns: Columns<Row>,
  format: string | undefined,
): string {
  const text = (format ?? 'table').replace(/\\[tn]/g, (sequence) => ESCAPES[sequence] ?? sequence)
  if (text === 'json') return rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  if (text === 'table') {
    const shown = columns.filter((column) => !column.hidden)
    return formatTable([
      shown.map(({ header }) => header),
      ...rows.map((row) => shown.map(({ field }) => String(row[field]))),
    ])
  }
  if (text.startsWith('table ')) {
    const template = text.slice('table '.length)
    const headers = Object.fromEntries(columns.map(({ field, header }) => [field, header]))
    const lines = [headers, ...rows].map((row) => renderTemplate(template, row).split('\t'))
    return formatTable(lines)
  }
  return rows.map((row) => `${renderTemplate(text, row)}\n`).join('')
}
