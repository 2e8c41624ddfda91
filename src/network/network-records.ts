// A network's records on disk: what it is, and a file per endpoint. After a crash they say what belongs to whom.
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DRAFT_SUFFIX, readTextIfExists, replaceFileSync } from '../base/atomic-file.ts'
import type { Log } from '../base/log.ts'
import type { Endpoint, NetworkDescription } from './network.ts'

const VERSION = 1

export interface NetworkRecord extends NetworkDescription {
  /** We made the bridge, so we remove it. */
  ownsBridge: boolean
}

export interface EndpointRecord extends Endpoint {
  name: string
}

export class NetworkRecords {
  readonly #directory: string
  readonly #endpoints: string

  constructor(directory: string) {
    this.#directory = directory
    this.#endpoints = join(directory, 'endpoints')
    mkdirSync(this.#endpoints, { recursive: true, mode: 0o700 })
  }

  loadNetwork(): NetworkRecord | undefined {
    return parse<NetworkRecord>(readTextIfExists(this.#networkFile()))
  }

  saveNetwork(record: NetworkRecord): void {
    replaceFileSync(this.#networkFile(), JSON.stringify({ version: VERSION, ...record }))
  }

  /** Drafts that a crash left are swept; a record that can't be read is removed, and with it what it stood for, by reconciliation. */
  loadEndpoints(log: Log): EndpointRecord[] {
    return readdirSync(this.#endpoints).flatMap((file) => {
      const path = join(this.#endpoints, file)
      const record = file.endsWith(DRAFT_SUFFIX) ? undefined : parse<EndpointRecord>(readTextIfExists(path))
      if (record) return [record]
      if (!file.endsWith(DRAFT_SUFFIX)) log.warn('unreadable endpoint record removed', { path })
      rmSync(path, { force: true })
      return []
    })
  }

  saveEndpoint(record: EndpointRecord): void {
    replaceFileSync(this.#endpointFile(record.endpointId), JSON.stringify({ version: VERSION, ...record }))
  }

  removeEndpoint(endpointId: string): void {
    rmSync(this.#endpointFile(endpointId), { force: true })
  }

  removeAll(): void {
    rmSync(this.#endpoints, { recursive: true, force: true })
    rmSync(this.#networkFile(), { force: true })
  }

  #networkFile(): string {
    return join(this.#directory, 'network.json')
  }

  #endpointFile(endpointId: string): string {
    return join(this.#endpoints, `${endpointId}.json`)
  }
}

function parse<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined
  try {
    // Written by this class only, into a directory of root's; a version that is not ours counts as unreadable.
    const value = JSON.parse(text) as T & { version: number }
    if (value.version !== VERSION) return undefined
    const { version: _, ...record } = value
    return record as T
  } catch {
    return undefined // cut short by a full disk, or another program's
  }
}
