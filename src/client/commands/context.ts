// context ls, show, use, rm, inspect: which engines there are, and which of them commands go to.
import { existsSync } from 'node:fs'
import { isFailure, messageOf, withSubject } from '../../base/failure.ts'
import { goJson, sortKeys } from '../../base/go/go-json.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { changeConfig } from '../connection/save-config.ts'
import {
  checkContextName,
  type ContextMetadata,
  ContextStore,
  DEFAULT_CONTEXT,
  dockerEndpointOf,
} from '../contexts/context-store.ts'
import { ellipsis } from '../format/ids.ts'
import { compareNaturally } from '../format/natural-order.ts'
import { formatRows, type Row } from '../format/rows.ts'
import { describeObjects } from '../inspect-objects.ts'
import { FORMAT, INSPECT_FORMAT } from '../options/format-flags.ts'

const TABLE = '{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}'
const HEADERS = { Name: 'NAME', Description: 'DESCRIPTION', DockerEndpoint: 'DOCKER ENDPOINT', Error: 'ERROR' }
const ERROR_LENGTH_MAX = 45
const OVERRIDES = 'DOCKER_HOST environment variable overrides the active context.'
const orUnset = 'either set the global --context flag, or unset DOCKER_HOST environment variable.'

export const contextLs: Command = {
  flags: [FORMAT, { name: 'quiet', short: 'q', kind: 'boolean', usage: 'Only show context names' }],
  args: { min: 0, max: 0 },
  async run(shell, _args, flags) {
    const store = new ContextStore(shell)
    const rows = store.list().map((metadata) => rowOf(metadata, shell.context))
    if (!rows.some(({ Current }) => Current)) {
      rows.push({ ...EMPTY, Name: shell.context, Current: true, Error: whyMissing(store, shell.context) })
      rows.sort((a, b) => compareNaturally(a.Name, b.Name))
    }
    const format = flags.boolean('quiet') ? '{{.Name}}' : flags.text('format')
    try {
      shell.print(
        formatRows(rows, { format, defaultTable: TABLE, headers: HEADERS, type: '*formatter.clientContextContext' }),
      )
    } catch (error) {
      throw isFailure(error) ? withSubject('template parsing error', error) : error
    }
    if (shell.env['DOCKER_HOST']) shell.printError(`Warning: ${OVERRIDES} To use a context, ${orUnset}\n`)
    return 0
  },
}

interface ContextRow extends Row {
  Name: string
  Current: boolean
  Error: string
}

const EMPTY = { Current: false, Description: '', DockerEndpoint: '', Error: '' }

function rowOf(metadata: ContextMetadata, current: string): ContextRow {
  const { Name } = metadata
  const endpoint = dockerEndpointOf(metadata)
  return {
    ...EMPTY,
    Name,
    Current: Name === current,
    Description: Name === DEFAULT_CONTEXT ? DEFAULT_DESCRIPTION : String(metadata.Metadata['Description'] ?? ''),
    DockerEndpoint: endpoint?.Host ?? '',
    Error:
      endpoint === undefined
        ? ellipsis(`cannot find docker endpoint in context ${goQuote(Name)}`, ERROR_LENGTH_MAX)
        : '',
  }
}

export const DEFAULT_DESCRIPTION = 'Current DOCKER_HOST based configuration'

function whyMissing(store: ContextStore, name: string): string {
  try {
    store.require(name)
    return ''
  } catch (error) {
    return ellipsis(messageOf(error), ERROR_LENGTH_MAX)
  }
}

export const contextShow: Command = {
  flags: [],
  args: { min: 0, max: 0 },
  async run(shell) {
    shell.print(`${shell.context}\n`)
    return 0
  },
}

export const contextUse: Command = {
  flags: [],
  // Its own words for a wrong count are in the run: cobra's, not Docker's.
  args: { min: 0 },
  async run(shell, args) {
    const [name = ''] = args
    if (args.length !== 1) throw new ExitCode(1, `accepts 1 arg(s), received ${args.length}`)
    if (name !== DEFAULT_CONTEXT) {
      checkContextName(name)
      new ContextStore(shell).require(name)
    }
    setCurrent(shell, name)
    shell.print(`${name}\n`)
    shell.printError(`Current context is now ${goQuote(name)}\n`)
    if (name !== DEFAULT_CONTEXT && shell.env['DOCKER_HOST'])
      shell.printError(`Warning: ${OVERRIDES} To use ${goQuote(name)}, ${orUnset}\n`)
    return 0
  },
}

/** The default one is said by saying nothing. A file that says the same already is left alone. */
function setCurrent(shell: Shell, name: string): void {
  const value = name === DEFAULT_CONTEXT ? '' : name
  if ((shell.config.currentContext ?? '') === value) return
  changeConfig(shell.configDirectory, (config) => {
    config.currentContext = value
  })
}

export const contextRm: Command = {
  flags: [{ name: 'force', short: 'f', kind: 'boolean', usage: 'Force the removal of a context in use' }],
  args: { min: 1 },
  async run(shell, names, flags) {
    const store = new ContextStore(shell)
    const force = flags.boolean('force') ?? false
    const failures: string[] = []
    for (const name of names) {
      try {
        removeContext(shell, store, name, force)
        shell.print(`${name}\n`)
      } catch (error) {
        failures.push(messageOf(error))
      }
    }
    if (failures.length > 0) throw new ExitCode(1, failures.join('\n'))
    return 0
  },
}

function removeContext(shell: Shell, store: ContextStore, name: string, force: boolean): void {
  if (name === DEFAULT_CONTEXT) throw new Error('context "default" cannot be removed')
  if (name === shell.context) {
    if (!force) throw new Error(`context ${goQuote(name)} is in use, set -f flag to force remove`)
    setCurrent(shell, DEFAULT_CONTEXT)
  }
  if (!force && !existsSync(store.paths(name).metadata)) throw new Error(`context ${goQuote(name)} does not exist`)
  store.remove(name)
}

export const contextInspect: Command = {
  flags: [{ ...INSPECT_FORMAT, short: 'f' }],
  args: { min: 0 },
  run(shell, names, flags) {
    const store = new ContextStore(shell)
    const wanted = names.length > 0 ? names : [shell.context]
    const format = flags.text('format')
    const isForTemplate = Boolean(format) && format !== 'json'
    return describeObjects(shell, wanted, format, async (name) => describeContext(store, name, isForTemplate))
  },
}

/** In a template `.Metadata` is the whole stored description, the context's own metadata inside it: so Docker's types have it. */
function describeContext(store: ContextStore, name: string, isForTemplate: boolean): string {
  const { Name, Metadata, Endpoints } = store.require(name)
  const stored = { Name, Metadata: sortKeys(Metadata), Endpoints: sortKeys(Endpoints) }
  const TLSMaterial = Object.fromEntries(
    Object.entries(store.readTls(name)).map(([endpoint, files]) => [endpoint, Object.keys(files)]),
  )
  const { metadata, tls } = store.paths(name)
  const Storage = { MetadataPath: metadata, TLSPath: tls }
  return goJson({ ...stored, ...(isForTemplate ? { Metadata: stored } : {}), TLSMaterial, Storage }, true)
}
