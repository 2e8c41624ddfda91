// Flags that many commands share.
import type { Flag } from '../flags.ts'
import { checkFilter } from './filters.ts'

const TEMPLATES = `'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates`

/** Of lists. */
export const FORMAT: Flag = {
  ...{ name: 'format', kind: 'string' },
  usage: `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
${TEMPLATES}`,
}

/** Of descriptions. */
export const INSPECT_FORMAT: Flag = {
  ...{ name: 'format', kind: 'string' },
  usage: `Format output using a custom template:\n${TEMPLATES}`,
}

export const FILTER: Flag = {
  ...{ name: 'filter', short: 'f', kind: 'list', type: 'filter', check: checkFilter },
  usage: 'Filter output based on conditions provided',
}
