// What groups of commands need of the engine, and what their help says beyond their summary.
import type { Gate } from './features.ts'

export interface GroupTraits extends Gate {
  readonly description?: string
  /** Listed among the swarm's commands. */
  readonly isOfSwarm?: boolean
  /** Found, but not listed. */
  readonly isHidden?: boolean
  /** Words that name none of its commands print its help, as what was asked for. */
  readonly isLenient?: boolean
}

export const GROUP_TRAITS: Readonly<Record<string, GroupTraits>> = {
  checkpoint: { since: '1.25', isExperimental: true },
  completion: {
    isHidden: true,
    isLenient: true,
    description:
      "Generate the autocompletion script for berth for the specified shell.\nSee each sub-command's help for details on how to use the generated script.",
  },
  network: { since: '1.21' },
  plugin: { since: '1.25' },
  volume: { since: '1.21' },
}
