// context create, update, export, import: contexts made, changed and carried elsewhere.
import { createReadStream, openSync, writeFileSync, closeSync } from 'node:fs'
import { Failure } from '../../base/failure.ts'
import { goQuote } from '../../base/go/go-quote.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import type { Flag } from '../flags.ts'
import { exportContext, importContext } from '../contexts/context-archive.ts'
import {
  checkContextName,
  type ContextMetadata,
  ContextStore,
  DEFAULT_CONTEXT,
  type TlsData,
} from '../contexts/context-store.ts'
import { describeEndpointKeys, parseEndpointPairs, readEndpoint } from '../contexts/docker-endpoint.ts'
import { isTerminal, writeBytes } from '../terminal/streams.ts'
import { DEFAULT_DESCRIPTION } from './context.ts'

const DESCRIPTION: Flag = { name: 'description', kind: 'string', usage: 'Description of the context' }
const DOCKER: Flag = {
  ...{ name: 'docker', kind: 'list', type: 'stringToString', default: '[]', check: parseEndpointPairs },
  usage: 'set the docker endpoint',
}

export const contextCreate: Command = {
  description: `Create a context\n\n${describeEndpointKeys('create')}`,
  flags: [DESCRIPTION, DOCKER, { name: 'from', kind: 'string', usage: 'create context from a named context' }],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    const store = new ContextStore(shell)
    checkNew(store, name)
    const pairs = flags.has('docker') ? mergePairs(flags.list('docker')) : undefined
    const from = flags.text('from') || (pairs === undefined ? shell.context : undefined)
    const description = flags.text('description') || undefined
    if (from !== undefined) {
      if (pairs !== undefined) throw new ExitCode(1, 'cannot use --docker flag when --from is set')
      const copy = describedAs(copyOf(store, from), description)
      store.save({ ...copy, Name: name })
      saveAllTls(store, name, store.readTls(from))
    } else {
      const { endpoint, tls } = readEndpoint(pairs ?? {}, store)
      const metadata = { Name: name, Metadata: {}, Endpoints: { docker: endpoint } }
      store.save(describedAs(metadata, description))
      saveAllTls(store, name, { docker: tls })
    }
    return told(shell, name, 'created')
  },
}

export const contextUpdate: Command = {
  description: `Update a context\n\n${describeEndpointKeys('update')}`,
  flags: [DESCRIPTION, DOCKER],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    checkContextName(name)
    const store = new ContextStore(shell)
    const metadata = describedAs(store.require(name), flags.text('description') || undefined)
    if (!flags.has('docker')) store.save(metadata)
    else {
      const { endpoint, tls } = readEndpoint(mergePairs(flags.list('docker')), store)
      store.save({ ...metadata, Endpoints: { ...metadata.Endpoints, docker: endpoint } })
      store.saveTls(name, 'docker', tls)
    }
    return told(shell, name, 'updated')
  },
}

export const contextExport: Command = {
  flags: [],
  args: { min: 1, max: 2 },
  async run(shell, [name = '', given]) {
    if (name !== DEFAULT_CONTEXT) checkContextName(name)
    const store = new ContextStore(shell)
    const destination = given ?? `${name}.dockercontext`
    if (destination === '-') {
      if (isTerminal(1)) throw new ExitCode(1, 'cowardly refusing to export to a terminal, specify a file path')
      await writeBytes(1, await exportContext(store.require(name), store.readTls(name)))
      return 0
    }
    const file = openNew(destination)
    try {
      writeFileSync(file, await exportContext(store.require(name), store.readTls(name)))
    } finally {
      closeSync(file)
    }
    shell.printError(`Written file ${goQuote(destination)}\n`)
    return 0
  },
}

export const contextImport: Command = {
  flags: [],
  args: { min: 2, max: 2 },
  async run(shell, [name = '', source = '']) {
    const store = new ContextStore(shell)
    checkNew(store, name)
    const archive: AsyncIterable<Uint8Array> = source === '-' ? process.stdin : createReadStream(source)
    await importContext(archive, name, store).catch((error: unknown) => {
      throw openError(error, source)
    })
    return told(shell, name, 'imported')
  },
}

function told(shell: Shell, name: string, what: string): number {
  shell.print(`${name}\n`)
  shell.printError(`Successfully ${what} context ${goQuote(name)}\n`)
  return 0
}

function checkNew(store: ContextStore, name: string): void {
  checkContextName(name)
  if (store.has(name)) throw new Failure('already-exists', `context ${goQuote(name)} already exists`)
}

function mergePairs(texts: readonly string[]): Record<string, string> {
  return Object.assign({}, ...texts.map(parseEndpointPairs)) as Record<string, string>
}

/** A copy of the default context says where it came from. */
function copyOf(store: ContextStore, name: string): ContextMetadata {
  const metadata = store.require(name)
  return name === DEFAULT_CONTEXT ? describedAs(metadata, DEFAULT_DESCRIPTION) : metadata
}

function describedAs(metadata: ContextMetadata, description: string | undefined): ContextMetadata {
  if (description === undefined) return metadata
  return { ...metadata, Metadata: { ...metadata.Metadata, Description: description } }
}

function saveAllTls(store: ContextStore, name: string, tls: Record<string, TlsData>): void {
  for (const [endpoint, files] of Object.entries(tls)) store.saveTls(name, endpoint, files)
}

function openNew(path: string): number {
  try {
    return openSync(path, 'wx', 0o600)
  } catch (error) {
    throw openError(error, path)
  }
}

const WORDS: Record<string, string> = {
  EEXIST: 'file exists',
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
}

function openError(error: unknown, path: string): unknown {
  const why = WORDS[(error as NodeJS.ErrnoException).code ?? '']
  return why === undefined ? error : new Failure('invalid-argument', `open ${path}: ${why}`)
}
