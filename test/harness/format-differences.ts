// docs/differences.md: the list of differences as a document, a table per reason.
import { type KnownDifference, REASONS } from './parity-differences.ts'

const SHOWN_MAX = 3
const WIDTH_MAX = 160

const INTRODUCTION: Record<(typeof REASONS)[number], string> = {
  'bug of the original': 'The original does not do what its own documents say, or what its later versions do.',
  '20.10 older words': 'dockerd 20.10 says or does it as it did then; Berth follows version 28.',
  'kernel here': 'It depends on the kernel and its settings, and may not show on another machine.',
  'ours is better': 'The original loses, hides or refuses what need not be.',
}

export function formatDifferences(list: readonly KnownDifference[]): string {
  const sections = REASONS.map((reason) => {
    const members = list.filter((one) => one.reason.startsWith(reason))
    return `## ${heading(reason)}\n\n${INTRODUCTION[reason]}\n\n${groups(members)}`
  })
  return `# Differences from the original

What \`test/integration/parity.test.ts\` and \`test/integration/golden-http.test.ts\` find between dockerd 20.10.24 and Berth, at API version
1.41. Generated from \`test/integration/parity/differences.json\` by \`make gen\`: a difference that is not listed there fails the test, and so
does one that is listed and gone. \`-\` is the original, \`+\` is Berth.

${sections.join('\n')}`
}

const heading = (reason: string) => reason.charAt(0).toUpperCase() + reason.slice(1)

/** Those of one explanation stand together. */
function groups(members: readonly KnownDifference[]): string {
  const reasons = [...new Set(members.map(({ reason }) => reason))].sort()
  if (reasons.length === 0) return 'None.\n'
  return reasons
    .map((reason) => {
      const words = reason.slice(reason.indexOf(': ') + 2)
      const lines = members.filter((one) => one.reason === reason).map(formatOne)
      return `### ${words}\n\n\`\`\`\n${lines.join('')}\`\`\`\n`
    })
    .join('\n')
}

function formatOne({ chapter, line, clients, shows = [], random }: KnownDifference): string {
  const shown = shows.slice(0, SHOWN_MAX).map((words) => `    ${cut(words)}\n`)
  const more = shows.length > SHOWN_MAX ? `    and ${shows.length - SHOWN_MAX} more\n` : ''
  const chance = random === true ? ', now and then' : ''
  return `${chapter} (${clients.join(', ')}${chance}): ${cut(line)}\n${shown.join('')}${more}`
}

const cut = (text: string) => (text.length > WIDTH_MAX ? `${text.slice(0, WIDTH_MAX)}…` : text).replaceAll('```', "'''")
