// One config.toml: read, parsed, checked.
import { readFileSync } from 'node:fs'
import { parse, TomlError } from 'smol-toml'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import { checkDocument, type Checked, isTable, KeyFailure } from './check-document.ts'
import { locateKey } from './locate-key.ts'
import { type Document, FILE, PLUGINS, type Section } from './schema.ts'

/** The words for an unknown key are containerd's, so that who greps its log for them still finds them. */
export const UNKNOWN_KEY = 'Ignoring unknown key in TOML'

/** Unknown keys are warned about, everything else that is wrong is a Failure with row and column. */
export function readConfigFile(path: string, log: Log): Document {
  const text = readText(path)
  const { document, unknown } = check(parseText(text), FILE, text)
  for (const key of unknown) warnOfKey(log, { file: path, text, key })
  return {
    ...document,
    ...(isTable(document['plugins']) ? { plugins: checkPlugins(document['plugins'], { path, text, log }) } : {}),
  }
}

/** Sections of plugins that are not ours stay as they are: whoever loads them says what becomes of them. */
function checkPlugins(plugins: Document, file: { path: string; text: string; log: Log }): Document {
  return Object.fromEntries(
    Object.entries(plugins).map(([name, values]) => {
      const section = Object.hasOwn(PLUGINS, name) ? PLUGINS[name] : undefined
      if (section === undefined) return [name, values]
      const { document, unknown } = check({ plugins: { [name]: values } }, { plugins: { [name]: section } }, file.text)
      for (const key of unknown) warnOfKey(file.log, { file: file.path, text: file.text, key, plugin: name })
      return [name, (document['plugins'] as Document)[name]]
    }),
  )
}

function warnOfKey(
  log: Log,
  { file, text, key, plugin }: { file: string; text: string; key: readonly string[]; plugin?: string },
): void {
  log.warn(UNKNOWN_KEY, {
    ...locateKey(text, key),
    file,
    key: key.join(' '),
    ...(plugin === undefined ? {} : { plugin }),
  })
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reasons: Record<string, string> = {
      ENOENT: 'no such file or directory',
      EACCES: 'permission denied',
      EISDIR: 'is a directory',
    }
    throw new Failure('not-found', `open ${path}: ${reasons[code ?? ''] ?? code}`, { cause: error })
  }
}

function parseText(text: string): Document {
  try {
    return parse(text, { integersAsBigInt: true })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [reason] = error.message.replace(/^Invalid TOML document: /, '').split('\n')
    throw new Failure(
      'invalid-argument',
      `failed to unmarshal TOML at row ${error.line} column ${error.column}: toml: ${reason}`,
      { cause: error },
    )
  }
}

function check(values: Document, section: Section, text: string): Checked {
  try {
    return checkDocument(values, section)
  } catch (error) {
    if (!(error instanceof KeyFailure)) throw error
    const place = locateKey(text, error.path)
    const where = place === undefined ? '' : ` at row ${place.row} column ${place.column}`
    throw new Failure('invalid-argument', `failed to unmarshal TOML${where}: ${error.message}`, { cause: error })
  }
}
