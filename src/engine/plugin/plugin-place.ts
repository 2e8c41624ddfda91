// Where plugins of the first kind are found: a socket, or a file that says where the plugin listens.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { objectOf, optional, parseJsonObject, stringOf } from '../../oci/json-shape.ts'

export interface PluginDirectories {
  /** `<name>.sock`, `<name>/<name>.sock`. */
  readonly sockets: string
  /** `<name>.spec`, `<name>.json`, and the same below a directory of the name; the first directory wins. */
  readonly specs: readonly string[]
}

/** Docker's own: plugins are packaged for them. */
export const DOCKER_DIRECTORIES: PluginDirectories = {
  sockets: '/run/docker/plugins',
  specs: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
}

export interface PluginPlace {
  readonly name: string
  /** `unix:///run/docker/plugins/x.sock`, `tcp://host:port`, `http://…`, `https://…`. */
  readonly address: string
  /** Of a .json file: whom to believe, and who we are. */
  readonly tls?: PluginTls
}

export interface PluginTls {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  readonly isUnverified: boolean
}

const FILE_BYTES_MAX = 64 << 10

/** Undefined where nothing of that name is. Throws invalid-argument for a name that is none, or a file that says nothing. */
export function findPluginPlace(directories: PluginDirectories, name: string): PluginPlace | undefined {
  if (!isPluginName(name)) return undefined
  const socket = candidates(directories.sockets, name, '.sock').find((path) => isSocket(path))
  if (socket !== undefined) return { name, address: `unix://${socket}` }
  for (const directory of directories.specs) {
    for (const extension of ['.spec', '.json']) {
      const path = candidates(directory, name, extension).find(isFile)
      if (path !== undefined) return readPlace(name, path)
    }
  }
  return undefined
}

/** Every name for which there is a socket or a file, once each. */
export function listPluginNames({ sockets, specs }: PluginDirectories): string[] {
  const names = [
    ...entriesOf(sockets, ['.sock']).filter((name) => candidates(sockets, name, '.sock').some(isSocket)),
    ...specs.flatMap((directory) => entriesOf(directory, ['.spec', '.json'])),
  ]
  return [...new Set(names)].filter(isPluginName)
}

/** It becomes a part of a path. */
function isPluginName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)
}

function candidates(directory: string, name: string, extension: string): string[] {
  return [join(directory, name + extension), join(directory, name, name + extension)]
}

/** Names of the files and of the directories that hold a file of their own name. */
function entriesOf(directory: string, extensions: readonly string[]): string[] {
  return namesIn(directory).flatMap((entry) => {
    if (extensions.includes(extname(entry))) return [basename(entry, extname(entry))]
    return namesIn(join(directory, entry)).some((inner) => extensions.some((ending) => inner === entry + ending))
      ? [entry]
      : []
  })
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort()
  } catch {
    return [] // absent, or no directory
  }
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() ?? false
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function readPlace(name: string, path: string): PluginPlace {
  if (statSync(path).size > FILE_BYTES_MAX)
    throw new Failure('invalid-argument', `${path}: larger than a plugin's file`)
  return path.endsWith('.json') ? readJson(name, path) : withAddress(name, readFileSync(path, 'utf8').trim())
}

function readJson(name: string, path: string): PluginPlace {
  const file = parseJsonObject(readFileSync(path), path)
  const place = withAddress(name, stringOf(file['Addr'] ?? '', `${path}: Addr`))
  const given = file['TLSConfig']
  if (given === undefined || given === null) return place
  const tls = objectOf(given, `${path}: TLSConfig`)
  const text = (key: string) => optional(tls[key], `${path}: ${key}`, stringOf) ?? ''
  const caFile = text('CAFile')
  // Whoever names no authority believes any, as with Docker.
  const isUnverified = tls['InsecureSkipVerify'] === true || caFile === ''
  return { ...place, tls: { caFile, certFile: text('CertFile'), keyFile: text('KeyFile'), isUnverified } }
}

function withAddress(name: string, address: string): PluginPlace {
  if (!/^(?:unix:\/\/\/|(?:tcp|https?):\/\/[^/])/.test(address))
    throw new Failure('invalid-argument', 'Unknown protocol')
  return { name, address }
}
