// Lists of rows by `--format`: a table (ours or the user's columns), json, or a template per row.
import { goJson, MARSHALER, sortKeys } from '../../base/go/go-json.ts'
import { GO_TYPE } from '../../base/go/go-values.ts'
import { formatTable } from './table.ts'
import { TemplateError } from '../../base/go/template-error.ts'
import { compileTemplate } from '../../base/go/template.ts'

export interface RowFormat {
  /** What the user wants; undefined and '' mean the table. */
  format: string | undefined
  /** `{{.ID}}\t{{.Image}}`: the columns of the plain table. */
  defaultTable: string
  /** By the names of the rows' fields. */
  headers: Readonly<Record<string, string>>
  /** Go's name of a row's type, for messages. */
  type: string
}

/** A row's fields in any order; functions are methods with an argument. */
export type Row = Record<string, unknown>

export const readEscapes = (text: string) => text.replaceAll('\\t', '\t').replaceAll('\\n', '\n')

export function isTable(format: string | undefined): boolean {
  return format === undefined || format === '' || format.startsWith('table')
}

/** Throws TemplateError. */
export function formatRows(rows: readonly Row[], { format, defaultTable, headers, type }: RowFormat): string {
  if (format === 'json') return rows.map((row) => `${rowJson(row)}\n`).join('')
  const isPlain = format === undefined || format === '' || format === 'table'
  const isTabled = isTable(format)
  const raw = isPlain ? defaultTable : isTabled ? format.slice('table'.length) : format
  const render = compileTemplate(readEscapes(raw.replace(/^ +| +$/g, '')))
  const lines = rows.map((row) => render(withJson(row), { type }))
  if (!isTabled) return lines.map((line) => `${line}\n`).join('')
  return alignCells([renderHeader(render, headers), ...lines].map((line) => `${line}\n`).join(''))
}

/** What a header has no answer to leaves it empty: what matters is in the rows. */
function renderHeader(render: ReturnType<typeof compileTemplate>, headers: RowFormat['headers']): string {
  try {
    return render({ ...headers, Label: labelHeader }, { isHeader: true })
  } catch (error) {
    if (error instanceof TemplateError) return ''
    throw error
  }
}

/** `com.example.some-label` heads its column as `some label`. */
function labelHeader(name: unknown): string {
  return (String(name).split('.').at(-1) ?? '').replace(/[-_]/g, ' ')
}

/** Cells end with tabs, lines with line ends, as text/tabwriter reads them. */
export function alignCells(text: string): string {
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  const aligned = formatTable(lines.map((line) => line.split('\t')))
  return rest === '' ? aligned : aligned + rest
}

function rowJson(row: Row): string {
  const fields = Object.entries(row).filter(([, value]) => typeof value !== 'function')
  return goJson(sortKeys(Object.fromEntries(fields)), true)
}

/**
 * `{{json .}}` of a row is its JSON, with the keys in order. Fields stay getters: what no template shows is not computed.
 * @param type Go's name of its type, for rows within another value.
 */
export function withJson(row: Row, type?: string): Row {
  const toJSON = () =>
    sortKeys(Object.fromEntries(Object.entries(row).filter(([, value]) => typeof value !== 'function')))
  if (type !== undefined) Object.defineProperty(row, GO_TYPE, { value: type })
  return Object.defineProperties(row, {
    toJSON: { value: toJSON, enumerable: false, configurable: true },
    [MARSHALER]: { value: true, enumerable: false, configurable: true },
  })
}
