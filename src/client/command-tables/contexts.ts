// context …: engines by name.
import type { CommandEntry } from '../command-index.ts'

const context = async () => await import('../commands/context.ts')
const edit = async () => await import('../commands/context-edit.ts')

export const CONTEXT_COMMANDS: readonly CommandEntry[] = [
  {
    paths: ['context create'],
    usage: '[OPTIONS] CONTEXT',
    summary: 'Create a context',
    load: async () => (await edit()).contextCreate,
  },
  {
    paths: ['context export'],
    usage: '[OPTIONS] CONTEXT [FILE|-]',
    summary: 'Export a context to a tar archive FILE or a tar stream on STDOUT.',
    load: async () => (await edit()).contextExport,
  },
  {
    paths: ['context import'],
    usage: 'CONTEXT FILE|-',
    summary: 'Import a context from a tar or zip file',
    load: async () => (await edit()).contextImport,
  },
  {
    paths: ['context inspect'],
    usage: '[OPTIONS] [CONTEXT] [CONTEXT...]',
    summary: 'Display detailed information on one or more contexts',
    load: async () => (await context()).contextInspect,
  },
  {
    paths: ['context ls', 'context list'],
    usage: '[OPTIONS]',
    summary: 'List contexts',
    load: async () => (await context()).contextLs,
  },
  {
    paths: ['context rm', 'context remove'],
    usage: 'CONTEXT [CONTEXT...]',
    summary: 'Remove one or more contexts',
    load: async () => (await context()).contextRm,
  },
  {
    paths: ['context show'],
    usage: '',
    summary: 'Print the name of the current context',
    load: async () => (await context()).contextShow,
  },
  {
    paths: ['context update'],
    usage: '[OPTIONS] CONTEXT',
    summary: 'Update a context',
    load: async () => (await edit()).contextUpdate,
  },
  {
    paths: ['context use'],
    usage: 'CONTEXT',
    summary: 'Set the current docker context',
    load: async () => (await context()).contextUse,
  },
]
