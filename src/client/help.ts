// Help texts, from the same tables as the parser.
import type { Command } from './command.ts'
import type { Flag } from './flags.ts'

export const programName = 'berth'

export function formatRootHelp(commands: readonly Command[]): string {
  const rows = commands.flatMap((command) =>
    command.paths.filter((path) => !path.includes(' ')).map((path) => [path, command.summary] as const),
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = [...rows]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, summary]) => `  ${name.padEnd(width + 2)}${summary}`)
  return `Usage:  ${programName} [OPTIONS] COMMAND\n\nCommands:\n${lines.join('\n')}\n\nRun '${programName} COMMAND --help' for more information on a command.\n`
}

export function formatCommandHelp(command: Command): string {
  const aliases =
    command.paths.length > 1
      ? `\nAliases:\n  ${command.paths.map((path) => `${programName} ${path}`).join(', ')}\n`
      : ''
  const flags = command.flags.filter((flag) => !flag.hidden)
  const options = flags.length === 0 ? '' : `\nOptions:\n${formatFlags(flags)}\n`
  return `Usage:  ${programName} ${command.paths[0]} ${command.usage}\n\n${command.summary}\n${aliases}${options}`
}

function formatFlags(flags: readonly Flag[]): string {
  const heads = flags.map((flag) => {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `
    const type = flag.kind === 'boolean' ? '' : ` ${flag.type ?? flag.kind}`
    return `  ${short}--${flag.name}${type}`
  })
  const width = Math.max(...heads.map((head) => head.length))
  const order = flags
    .map((flag, index) => ({ flag, head: heads[index] ?? '' }))
    .sort((a, b) => a.flag.name.localeCompare(b.flag.name))
  return order
    .map(
      ({ flag, head }) =>
        `${head.padEnd(width + 3)}${flag.usage}${flag.default === undefined ? '' : ` (default ${flag.default})`}`,
    )
    .join('\n')
}
