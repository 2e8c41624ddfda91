// completion …: scripts for the shells.
import type { CommandEntry } from '../command-index.ts'

const completion = async () => await import('../commands/completion.ts')

export const COMPLETION_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['completion bash'],
    usage: '',
    summary: 'Generate the autocompletion script for bash',
    load: async () => (await completion()).completionBash,
  },
  {
    paths: ['completion fish'],
    usage: '[flags]',
    summary: 'Generate the autocompletion script for fish',
    load: async () => (await completion()).completionFish,
  },
  {
    paths: ['completion powershell'],
    usage: '[flags]',
    summary: 'Generate the autocompletion script for powershell',
    load: async () => (await completion()).completionPowershell,
  },
  {
    paths: ['completion zsh'],
    usage: '[flags]',
    summary: 'Generate the autocompletion script for zsh',
    load: async () => (await completion()).completionZsh,
  },
]
