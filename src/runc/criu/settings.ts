// What `checkpoint` and `restore` have in common on their command lines.
import { mkdirSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { Failure, messageOf } from '../../base/failure.ts'
import { CLONE_NEWNET } from '../../linux/constants.ts'
import { ioReason } from '../io-error.ts'
import type { Options } from '../parse-options.ts'
import { CGROUPS_MODE, NETWORK_LOCK } from './messages.ts'

export interface CriuSettings {
  /** Absolute. */
  imagesDirectory: string
  /** Absolute; undefined is criu's default, the images' directory. */
  workDirectory: string | undefined
  externalUnixSockets: boolean
  tcpEstablished: boolean
  shellJob: boolean
  fileLocks: boolean
  autoDedup: boolean
  lazyPages: boolean
  /** CLONE_NEW* of those that are made empty. */
  emptyNamespaces: number
  /** undefined leaves it to criu. */
  manageCgroupsMode: number | undefined
}

export interface CheckpointSettings extends CriuSettings {
  /** Of the images that this dump builds on, relative to the images' directory. */
  parentImages: string | undefined
  leaveRunning: boolean
  tcpSkipInFlight: boolean
  linkRemap: boolean
  preDump: boolean
  statusDescriptor: number | undefined
  pageServer: { address: string; port: number } | undefined
  networkLock: number | undefined
}

export interface RestoreSettings extends CriuSettings {
  tcpClose: boolean
  lsmProfile: string | undefined
  lsmMountContext: string | undefined
  networkLock: number | undefined
}

const DEFAULT_IMAGES = 'checkpoint'

/** Makes the images' directory. Throws Failure in runc's words. */
export function readCheckpointSettings(options: Options): CheckpointSettings {
  const common = readCommon(options)
  const status = options.integer('status-fd') ?? -1
  return {
    ...common,
    parentImages: readParent(given(options, 'parent-path'), common.imagesDirectory),
    leaveRunning: options.flag('leave-running'),
    tcpSkipInFlight: options.flag('tcp-skip-in-flight'),
    linkRemap: options.flag('link-remap'),
    preDump: options.flag('pre-dump'),
    statusDescriptor: status < 0 ? undefined : status,
    pageServer: readPageServer(given(options, 'page-server')),
    networkLock: readNetworkLock(given(options, 'network-lock')),
  }
}

/** Throws Failure in runc's words. */
export function readRestoreSettings(options: Options): RestoreSettings {
  return {
    ...readCommon(options),
    tcpClose: options.flag('tcp-close'),
    lsmProfile: given(options, 'lsm-profile'),
    lsmMountContext: given(options, 'lsm-mount-context'),
    networkLock: readNetworkLock(given(options, 'network-lock')),
  }
}

function readCommon(options: Options): CriuSettings {
  const imagesDirectory = resolve(given(options, 'image-path') ?? DEFAULT_IMAGES)
  makeDirectory(imagesDirectory)
  const work = given(options, 'work-path')
  return {
    imagesDirectory,
    workDirectory: work === undefined ? undefined : resolve(work),
    externalUnixSockets: options.flag('ext-unix-sk'),
    tcpEstablished: options.flag('tcp-established'),
    shellJob: options.flag('shell-job'),
    fileLocks: options.flag('file-locks'),
    autoDedup: options.flag('auto-dedup'),
    lazyPages: options.flag('lazy-pages'),
    emptyNamespaces: readEmptyNamespaces(options.texts('empty-ns')),
    manageCgroupsMode: readCgroupsMode(given(options, 'manage-cgroups-mode')),
  }
}

function given(options: Options, name: string): string | undefined {
  return options.text(name) || undefined
}

/** Memory of the container's processes will lie there. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure('invalid-argument', `mkdir ${path}: ${ioReason(error)}`, { cause: error })
  }
}

function readParent(parent: string | undefined, images: string): string | undefined {
  if (parent === undefined) return undefined
  if (isAbsolute(parent)) throw new Failure('invalid-argument', '--parent-path must be relative')
  const path = join(images, parent)
  const wrong = (reason: string) => new Failure('invalid-argument', `invalid --parent-path: stat ${path}: ${reason}`)
  let isDirectory: boolean
  try {
    isDirectory = statSync(path).isDirectory()
  } catch (error) {
    throw wrong(ioReason(error))
  }
  if (!isDirectory) throw wrong('not a directory')
  return parent
}

const PORT_MAX = 65535

/** An IPv6 address is in brackets, as with Go's net.SplitHostPort. */
function readPageServer(text: string | undefined): CheckpointSettings['pageServer'] {
  if (text === undefined) return undefined
  const [, bracketed, plain, port] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([^:]+)$/.exec(text) ?? []
  const address = bracketed ?? plain
  if (address === undefined || port === undefined)
    throw new Failure('invalid-argument', 'Use --page-server ADDRESS:PORT to specify page server')
  if (!/^\d+$/.test(port) || Number(port) > PORT_MAX) throw new Failure('invalid-argument', 'Invalid port number')
  return { address, port: Number(port) }
}

/** The network namespace is always made anew: what is in it, a runtime does not look after. */
function readEmptyNamespaces(names: readonly string[]): number {
  const other = names.find((name) => name !== 'network')
  if (other !== undefined) throw new Failure('invalid-argument', `namespace ${JSON.stringify(other)} is not supported`)
  return CLONE_NEWNET
}

function readCgroupsMode(name: string | undefined): number | undefined {
  if (name === undefined) return undefined
  const mode = new Map(Object.entries(CGROUPS_MODE)).get(name)
  if (mode === undefined) throw new Failure('invalid-argument', 'Invalid manage cgroups mode')
  return mode
}

function readNetworkLock(name: string | undefined): number | undefined {
  if (name === undefined) return undefined
  const method = new Map(Object.entries(NETWORK_LOCK)).get(name)
  if (method === undefined)
    throw new Failure('invalid-argument', `unsupported network lock method ${JSON.stringify(name)}`)
  return method
}

/** Throws Failure('invalid-argument') with the reason where a directory of criu's cannot be made. */
export function makeWorkDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return
    throw new Failure('invalid-argument', `mkdir ${path}: ${ioReason(error)}`, { cause: messageOf(error) })
  }
}
