// What lists of objects share: the format of the command line or of config.json, and how it goes with --quiet.
import { isFailure, withSubject } from '../../base/failure.ts'
import type { Shell } from '../command.ts'
import type { FlagValues } from '../flags.ts'
import { formatRows, type Row } from '../format/rows.ts'

export interface ListTexts {
  /** Columns of the plain table. */
  table: string
  /** The lines of `--format raw`. */
  raw: string
  /** The line of `--format raw --quiet`. */
  rawQuiet: string
  headers: Readonly<Record<string, string>>
  /** Go's name of a row's type, for messages. */
  type: string
}

/** @param usual what config.json says of this list; it counts only where all is shown. */
export function printList(
  shell: Shell,
  rows: readonly Row[],
  flags: FlagValues,
  usual: string | undefined,
  { table, raw, rawQuiet, headers, type }: ListTexts,
): void {
  const isQuiet = flags.boolean('quiet') ?? false
  const given = flags.text('format') || (isQuiet ? '' : usual) || 'table'
  const format = given === 'table' && isQuiet ? '{{.ID}}' : given === 'raw' ? (isQuiet ? rawQuiet : raw) : given
  try {
    shell.print(formatRows(rows, { format, defaultTable: table, headers, type }))
  } catch (error) {
    throw isFailure(error) ? withSubject('template parsing error', error) : error
  }
}
