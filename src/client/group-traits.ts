// What groups of commands need of the engine, and what their help says beyond their summary.
import type { Gate } from './features.ts'
import { MANIFEST_DESCRIPTION } from './manifests/experimental.ts'

export interface GroupTraits extends Gate {
  readonly description?: string
  /** Listed among the swarm's commands. */
  readonly isOfSwarm?: boolean
  /** Found, but not listed. */
  readonly isHidden?: boolean
  /** An empty line stands before its help where nobody asked for that. */
  readonly isSetOff?: boolean
  /** Words that name none of its commands print its help, as what was asked for. */
  readonly isLenient?: boolean
  /** What follows its name where it is told how to use it. */
  readonly usage?: string
}

export const GROUP_TRAITS: Readonly<Record<string, GroupTraits>> = {
  checkpoint: { since: '1.25', isExperimental: true },
  completion: {
    isHidden: true,
    isLenient: true,
    description:
      "Generate the autocompletion script for berth for the specified shell.\nSee each sub-command's help for details on how to use the generated script.",
  },
  config: { since: '1.30', isOfSwarm: true, needsSwarm: 'manager' },
  manifest: { description: MANIFEST_DESCRIPTION, usage: 'COMMAND', isSetOff: true },
  network: { since: '1.21' },
  node: { since: '1.24', isOfSwarm: true, needsSwarm: 'manager' },
  plugin: { since: '1.25' },
  secret: { since: '1.25', isOfSwarm: true, needsSwarm: 'manager' },
  service: { since: '1.24', isOfSwarm: true, needsSwarm: 'manager' },
  stack: { since: '1.25', isOfSwarm: true, needsSwarm: 'manager', usage: '[OPTIONS]' },
  swarm: { since: '1.24', isOfSwarm: true },
  volume: { since: '1.21', usage: 'COMMAND' },
}
