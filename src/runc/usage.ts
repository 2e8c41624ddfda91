// Help texts, from the same tables as the parser.
import { COMMANDS, type CommandEntry, GLOBAL_OPTIONS } from './command-index.ts'
import type { OptionSpec } from './parse-options.ts'
import { NAME, versionText } from './version.ts'

export function commandHelp(entry: CommandEntry): string {
  return `NAME:
   ${NAME} ${entry.name} - ${entry.summary}

USAGE:
   ${NAME} ${entry.name} ${entry.usage}
${entry.options.length === 0 ? '' : `\nOPTIONS:\n${optionLines(entry.options)}`}`
}

export function globalHelp(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length)) + 2
  const commands = COMMANDS.filter(({ isHidden }) => isHidden !== true)
  return `NAME:
   ${NAME} - an OCI runtime

USAGE:
   ${NAME} [global options] command [command options] [arguments...]

VERSION:
   ${versionText().split('\n')[0]?.replace(/^.* /, '')}

COMMANDS:
${commands.map(({ name, summary }) => `   ${name.padEnd(width)}${summary}\n`).join('')}
GLOBAL OPTIONS:
${optionLines(GLOBAL_OPTIONS)}`
}

function optionLines(options: readonly OptionSpec[]): string {
  const rows = options
    .filter(({ isHidden }) => isHidden !== true)
    .map((option) => {
      const value = option.kind === 'flag' ? '' : ' value'
      const short = option.short === undefined ? '' : `, -${option.short}${value}`
      return [`--${option.name}${value}${short}`, option.help] as const
    })
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  return rows.map(([left, right]) => `   ${left.padEnd(width)}${right}\n`).join('')
}
