// Help texts, from the same tables as the parser, laid out as the Docker CLI (spf13/cobra and pflag) does.
import type { Command } from './command.ts'
import { type CommandEntry, displayPath, GROUPS } from './command-index.ts'
import { type AskFeatures, type Gate, isShown } from './features.ts'
import type { Flag } from './flags.ts'
import type { CliPlugin } from './plugins/cli-plugin.ts'
import { GROUP_TRAITS } from './group-traits.ts'

export const programName = 'berth'

/** `berth ps [OPTIONS]`, under the name it was called by. */
export function usageLine(entry: CommandEntry, called: string): string {
  return `${programName} ${displayPath(entry, called)}${entry.usage === '' ? '' : ` ${entry.usage}`}`
}

/** @param ask what this engine lacks is left out. */
export async function formatCommandHelp(
  command: Command,
  entry: CommandEntry,
  called: string,
  columns: number,
  ask: AskFeatures,
): Promise<string> {
  const isDoubled = entry.paths.length > 1
  const aliases = isDoubled ? `\nAliases:\n  ${aliasesOf(entry)}\n` : ''
  const flags = await filterShown(
    command.flags.filter((flag) => !flag.hidden),
    ask,
  )
  const options = flags.length === 0 ? '' : `\nOptions:\n${formatFlags(flags, columns)}\n`
  const description = (command.description ?? entry.summary).trim()
  return `Usage:  ${usageLine(entry, called)}\n\n${description}\n${aliases}${options}`
}

/** The path in its group comes first, the short form last. */
function aliasesOf({ paths }: CommandEntry): string {
  const own = paths.filter((path) => path !== 'image rmi')
  return [...own.filter((path) => path.includes(' ')), ...own.filter((path) => !path.includes(' '))]
    .map((path) => `${programName} ${path}`)
    .join(', ')
}

async function filterShown<T extends Gate>(items: readonly T[], ask: AskFeatures): Promise<T[]> {
  const shown: T[] = []
  for (const item of items) if (await isShown(item, ask)) shown.push(item)
  return shown
}

/** How errors name a group: of some of them the Docker CLI says that more follows. */
export function groupUsage(group: string): string {
  return `${group} ${GROUP_TRAITS[group]?.usage ?? ''}`.trimEnd()
}

export async function formatGroupHelp(
  group: string,
  entries: readonly CommandEntry[],
  ask: AskFeatures,
): Promise<string> {
  const own = entries.filter(({ isHidden, paths }) => !isHidden && paths.some((path) => path.startsWith(`${group} `)))
  const rows = (await filterShown(own, ask)).map(({ paths, summary }) => {
    const path = paths.find((each) => each.startsWith(`${group} `)) ?? ''
    return [path.slice(group.length + 1), summary] as const
  })
  const description = GROUP_TRAITS[group]?.description ?? GROUPS[group] ?? ''
  const list = rows.length === 0 ? '' : `\n\nCommands:\n${formatRows(rows)}`
  return `Usage:  ${programName} ${group} COMMAND\n\n${description}${list}\n\nRun '${programName} ${group} COMMAND --help' for more information on a command.\n`
}

export async function formatRootHelp(
  entries: readonly CommandEntry[],
  flags: readonly Flag[],
  columns: number,
  ask: AskFeatures,
  plugins: readonly CliPlugin[],
): Promise<string> {
  const own = await filterShown(
    entries.filter(({ paths, isHidden }) => !isHidden && !paths[0]?.includes(' ')),
    ask,
  )
  const rowOf = ({ paths, summary }: CommandEntry) => [paths[0] ?? '', summary] as const
  const common = own.filter((entry) => entry.rank !== undefined).sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0))
  const others = own.filter((entry) => entry.rank === undefined)
  const groups = await filterShown(
    Object.entries(GROUPS).map(([name, summary]) => ({ ...GROUP_TRAITS[name], name, summary })),
    ask,
  )
  const listed = groups.filter(({ isHidden }) => !isHidden)
  const rowsOf = (isOfSwarm: boolean) =>
    listed
      .filter((group) => (group.isOfSwarm ?? false) === isOfSwarm)
      .map(({ name, summary }) => [name, summary] as const)
  const swarm = rowsOf(true)
  const ofPlugins = plugins.flatMap(({ name, error, metadata }) =>
    error === undefined ? [[`${name}*`, metadata.ShortDescription ?? ''] as const] : [],
  )
  const invalid = plugins.flatMap(({ name, error }) => (error === undefined ? [] : [[name, error] as const]))
  const width = Math.max(NAME_WIDTH, ...plugins.map(({ name }) => name.length))
  const sections = [
    `Usage:  ${programName} [OPTIONS] COMMAND`,
    'Containers, from an image to a running process',
    `Common Commands:\n${formatRows(common.map(rowOf), false, width)}`,
    `Management Commands:\n${formatRows([...rowsOf(false), ...ofPlugins], true, width)}`,
    ...(swarm.length === 0 ? [] : [`Swarm Commands:\n${formatRows(swarm, true, width)}`]),
    `Commands:\n${formatRows(others.map(rowOf), true, width)}`,
    ...(invalid.length === 0 ? [] : [`Invalid Plugins:\n${formatRows(invalid, false, width)}`]),
    `Global Options:\n${formatFlags(flags, columns)}`,
    `Run '${programName} COMMAND --help' for more information on a command.`,
  ]
  return `${sections.join('\n\n')}\n`
}

const NAME_WIDTH = 11

function formatRows(rows: readonly (readonly [string, string])[], isSorted = true, width = NAME_WIDTH): string {
  const order = isSorted ? [...rows].sort(([a], [b]) => (a < b ? -1 : 1)) : rows
  return order.map(([name, summary]) => `  ${name.padEnd(width + 1)}${summary}`).join('\n')
}

/** pflag's FlagUsagesWrapped. */
export function formatFlags(flags: readonly Flag[], columns: number): string {
  const order = flags.filter((flag) => !flag.hidden).sort((a, b) => (a.name < b.name ? -1 : 1))
  const heads = order.map((flag) => {
    const short = flag.short === undefined ? '    ' : `-${flag.short}, `
    const type = flag.kind === 'boolean' ? '' : ` ${flag.type ?? flag.kind}`
    return `  ${short}--${flag.name}${type}`
  })
  const indent = Math.max(...heads.map((head) => head.length)) + 3
  return order
    .map((flag, index) => {
      const text = `${flag.usage}${flag.default === undefined ? '' : ` (default ${flag.default})`}`
      return `${(heads[index] ?? '').padEnd(indent)}${wrap(text, indent, columns - 1)}`
    })
    .join('\n')
}

const LEAST_WIDTH = 24
/** The last line may be this much longer, so that no single short word is left over. */
const SLOP = 5

function wrap(text: string, indent: number, columns: number): string {
  let margin = indent
  let lead = ''
  if (columns - margin < LEAST_WIDTH) {
    margin = 16
    lead = `\n${' '.repeat(margin)}`
  }
  if (columns - margin < LEAST_WIDTH) return text.replaceAll('\n', lead)
  const width = columns - margin - SLOP
  const lines: string[] = []
  for (let rest = text; rest !== '' || lines.length === 0; ) {
    const [line, more] = cutLine(rest, width)
    lines.push(line)
    rest = more
  }
  return lead + lines.join('\n').replaceAll('\n', `\n${' '.repeat(margin)}`)
}

function cutLine(text: string, width: number): [string, string] {
  if (width + SLOP > text.length) return [text, '']
  const start = text.slice(0, width)
  const space = Math.max(start.lastIndexOf(' '), start.lastIndexOf('\t'), start.lastIndexOf('\n'))
  if (space <= 0) return [text, '']
  const newline = start.lastIndexOf('\n')
  const at = newline > 0 && newline < space ? newline : space
  return [text.slice(0, at), text.slice(at + 1)]
}
