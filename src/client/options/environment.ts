// Files of `key=value` lines: --env-file, --label-file; and the variables that take their value from here.
import { readFileSync } from 'node:fs'
import { invalid } from './values.ts'

/** Files first, so that flags override them. A name without value takes the client's own, or stays as it is: unset. */
export function readEnvironment(files: readonly string[], given: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const lines = files.flatMap((file) => readPairs(file, (name) => env[name]))
  const flags = given.map((entry) => {
    const value = entry.includes('=') ? undefined : env[entry]
    return value === undefined ? entry : `${entry}=${value}`
  })
  return [...lines, ...flags]
}

export function readLabels(files: readonly string[], given: readonly string[]): string[] {
  return [...files.flatMap((file) => readPairs(file, undefined)), ...given]
}

function readPairs(file: string, lookUp: ((name: string) => string | undefined) | undefined): string[] {
  return readLines(file).flatMap((raw, index) => {
    const line = (index === 0 ? raw.replace(/^\ufeff/, '') : raw).trimStart()
    if (line === '' || line.startsWith('#')) return []
    const equals = line.indexOf('=')
    const key = equals < 0 ? line : line.slice(0, equals)
    if (/[ \t]/.test(key.trimStart()))
      throw invalid(`invalid env file (${file}): variable '${key}' contains whitespaces`)
    if (key === '') throw invalid(`invalid env file (${file}): no variable name on line '${line}'`)
    if (equals >= 0) return [line]
    const value = lookUp?.(line.trim()) // a label without a value is let go, as Docker does in a file
    return value === undefined ? [] : [`${line.trim()}=${value}`]
  })
}

function readLines(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8')
    return text.split('\n').map((line) => line.replace(/\r$/, ''))
  } catch (error) {
    const reason: Record<string, string> = {
      ENOENT: 'no such file or directory',
      EACCES: 'permission denied',
      EISDIR: 'is a directory',
    }
    const code = (error as NodeJS.ErrnoException).code ?? ''
    throw invalid(`open ${file}: ${reason[code] ?? code}`)
  }
}
