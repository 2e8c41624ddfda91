// All containers of the engine: an index in memory over one JSON file per container.
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DRAFT_SUFFIX, readTextIfExists } from '../../base/atomic-file.ts'
import { Failure } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import type { ContainerRecord } from './container.ts'
import { Container, RECORD_FILE } from './container.ts'
import { ExecStore } from '../exec/exec-store.ts'
import { LinkIndex } from './links/link-index.ts'

const ID = /^[0-9a-f]{64}$/

export class ContainerStore {
  /** `<data-root>/containers`. */
  readonly directory: string
  readonly #log: Log
  readonly #byId = new Map<string, Container>()
  readonly #idByName = new Map<string, string>()
  /** Records that could not be read: what they name is not ours to use, nor to remove. */
  readonly #unusable = new Set<string>()
  readonly #background = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly execs = new ExecStore()
  readonly links = new LinkIndex()

  private constructor(directory: string, log: Log) {
    this.directory = directory
    this.#log = log
  }

  /** Reads every record. What cannot be read is left alone and told of: it may be a newer version's. */
  static open(directory: string, log: Log): ContainerStore {
    const store = new ContainerStore(directory, log)
    for (const name of existsSync(directory) ? readdirSync(directory) : []) {
      if (!ID.test(name)) continue
      const path = join(directory, name)
      try {
        store.#load(path, name)
      } catch (error) {
        store.#unusable.add(name)
        log.error('container record is not usable', { path, error: String(error) })
      }
    }
    return store
  }

  #load(path: string, id: string): void {
    for (const name of readdirSync(path)) if (name.endsWith(DRAFT_SUFFIX)) rmSync(join(path, name), { force: true })
    const text = readTextIfExists(join(path, RECORD_FILE))
    // A directory without a record: a crash came before the creation was acknowledged, or after the removal was.
    if (text === undefined) return rmSync(path, { recursive: true, force: true })
    const record = JSON.parse(text) as ContainerRecord
    if (record.version !== 1 || record.id !== id) throw new Error(`version ${record.version} of ${record.id}`)
    for (const part of ['image', 'config', 'hostConfig', 'state', 'mountPoints'] as const)
      if (typeof record[part] !== 'object' || record[part] === null) throw new Error(`${part} is missing`)
    if (typeof record.name !== 'string' || this.hasName(record.name)) throw new Error(`name ${record.name}`)
    this.#index(new Container(record, path, this.#log))
  }

  /** Adds a new container under its name. Throws conflict with Docker's text when the name is taken. */
  add(record: ContainerRecord): Container {
    this.#requireFree(record.name)
    const container = new Container(record, join(this.directory, record.id), this.#log)
    this.#index(container)
    return container
  }

  /** Forgets it; the caller sees to the files. */
  delete(container: Container): void {
    this.#byId.delete(container.id)
    if (this.#idByName.get(container.name) === container.id) this.#idByName.delete(container.name)
    this.links.forget(container)
  }

  rename(container: Container, name: string): void {
    this.#requireFree(name)
    this.#idByName.delete(container.name)
    container.record.name = name
    this.#idByName.set(name, container.id)
  }

  hasName(name: string): boolean {
    return this.#idByName.has(name)
  }

  /** Its own name and those that links give it, in the alphabet's order, without slashes in front. */
  namesOf(container: Container): string[] {
    const linked = this.links.parentsOf(container).map(({ parent, alias }) => `${parent.name}/${alias}`)
    return linked.length === 0 ? [container.name] : [container.name, ...linked].sort((a, b) => (a < b ? -1 : 1))
  }

  /** By full id, then name or name of a link, then unique prefix of an id. Throws Docker's errors. */
  require(text: string): Container {
    const found = this.find(text)
    if (!found) throw new Failure('not-found', `No such container: ${text}`)
    return found
  }

  /** As `require`, but undefined where there is none; an ambiguous prefix still throws. */
  find(text: string): Container | undefined {
    const byId = this.#byId.get(text)
    if (byId) return byId
    const named = this.findByName(text)
    if (named !== undefined) return named
    if (!/^[0-9a-f]{1,64}$/.test(text)) return undefined
    let match: Container | undefined
    for (const [id, container] of this.#byId) {
      if (!id.startsWith(text)) continue
      if (match) throw new Failure('invalid-argument', `multiple IDs found with provided prefix: ${text}`)
      match = container
    }
    return match
  }

  /** By the name only, or by that of a link, `parent/alias`; with or without a slash in front. */
  findByName(text: string): Container | undefined {
    const name = text.replace(/^\//, '')
    const slash = name.indexOf('/')
    const id = this.#idByName.get(slash < 0 ? name : name.slice(0, slash))
    const container = id === undefined ? undefined : this.#byId.get(id)
    if (slash < 0 || container === undefined) return container
    const linked = this.links.childrenOf(container).get(name.slice(slash + 1))
    return linked === undefined || linked.isGone ? undefined : linked
  }

  /** By the full id only. */
  get(id: string): Container | undefined {
    return this.#byId.get(id)
  }

  /** There is a record of it, if perhaps one that this version cannot read: what bears its id is not to be swept. */
  isKnown(id: string): boolean {
    return this.#byId.has(id) || this.#unusable.has(id)
  }

  /** Newest first, as Docker lists them. */
  list(): Container[] {
    return [...this.#byId.values()].sort((a, b) => b.createdAtMs - a.createdAtMs)
  }

  /** Keeps count of work that nobody waits for, so that a test or a shutdown can. `work` must not reject. */
  track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#background.delete(tracked))
    this.#background.add(tracked)
    return tracked
  }

  /** Resolves when no cleaning up is under way. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.allSettled(this.#background)
  }

  /** Aborted when the engine lets go: who follows containerd's events stops. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Containers run on. Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.settled()
  }

  get size(): number {
    return this.#byId.size
  }

  #index(container: Container): void {
    this.#byId.set(container.id, container)
    this.#idByName.set(container.name, container.id)
  }

  #requireFree(name: string): void {
    const owner = this.#idByName.get(name)
    if (owner === undefined) return
    throw new Failure(
      'conflict',
      `Conflict. The container name "/${name}" is already in use by container "${owner}". You have to remove (or rename) that container to be able to reuse that name.`,
    )
  }
}
