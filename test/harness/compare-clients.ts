// What two clients print, made comparable: without ids, moments and the programs' own names.
import type { CommandResult } from './command.ts'

const LONG_ID = /\b[0-9a-f]{64}\b/g
const SHORT_ID = /\b[0-9a-f]{12}\b/g

/** What two runs cannot have in common: ids, moments, the program's own name. */
export function normalise(text: string): string {
  return text
    .replace(/\b[Bb]erth\b(?!-)/g, (name) => (name === 'berth' ? 'docker' : 'Docker'))
    .replace(LONG_ID, '<id>')
    .replace(SHORT_ID, '<short id>')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?/g, '<time>')
    .replace(/\b(About a|\d+|Less than a) (second|minute)s?( ago)?\b */g, '<age> ')
    .replace(/28\.2\.2|0\.1\.0/g, '<version>')
    .replaceAll('^@', '') // echo of the end of input, if it comes before the terminal is raw
    .replace(/level=(error|warning) msg="(.*)"$/gm, 'level=$1 msg=$2')
}

export function comparable({ code, stdout, stderr }: CommandResult): CommandResult {
  return { code, stdout: normalise(stdout), stderr: normalise(stderr) }
}

/** Where the order of lines is that of a Go map, which is none. */
export function sorted(result: CommandResult): CommandResult {
  return { ...result, stdout: result.stdout.split('\n').sort().join('\n') }
}

/** The words of one line of a table of command lines; `\\s` stands for a space inside a word. */
export function wordsOf(line: string): string[] {
  return line.split(' ').map((word) => word.replaceAll('\\s', ' '))
}
