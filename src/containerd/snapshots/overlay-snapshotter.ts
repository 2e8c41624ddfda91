// Snapshots as directories that overlayfs lays on top of each other: <root>/snapshots/<id>/{fs,work}.
// snapshot-directories.ts says what a crash may leave.
import { chownSync, existsSync, lstatSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../base/failure.ts'
import { type Log, silentLog } from '../../base/log.ts'
import { canMapOverlays } from '../../linux/user-namespace.ts'
import { failpoint } from '../failpoints.ts'
import type { MetadataStore } from '../metadata/metadata-store.ts'
import { idMapOptions, mappedRoot } from './id-maps.ts'
import { LayerLinks } from './layer-links.ts'
import { diskUsage, SnapshotDirectories } from './snapshot-directories.ts'
import { infoOf, type SnapshotChain, SnapshotRecords } from './snapshot-records.ts'
import type { Labels, Mount, SnapshotInfo, Snapshotter, SnapshotUsage } from './snapshotter.ts'

export interface OverlaySnapshotterOptions {
  /** Created if it is not there. */
  root: string
  store: MetadataStore
  log?: Log
  now?: () => number
  /** Short names of layers for long lists of them (layer-links.ts); without it lists are as long as they are. */
  linksDirectory?: string
  settings?: OverlaySettings
}

/** As containerd's `[plugins."io.containerd.snapshotter.v1.overlayfs"]` has them. */
export interface OverlaySettings {
  /** Options of every overlay; `index=off` and `userxattr` are added where they are needed and these do not speak of them. */
  mountOptions?: readonly string[]
  /** Tells in a label where a snapshot's own files are. */
  upperdirLabel?: boolean
  /** A removal resolves when the disk space is free. */
  syncRemove?: boolean
  /** Clients may change the owner of every file themselves where the kernel can't map ids (a capability, told by introspection). */
  slowChown?: boolean
}

/** What clients ask introspection for before they rely on it. */
export function overlayCapabilities(settings: OverlaySettings = {}): string[] {
  return [
    ...(canMapOverlays() ? ['remap-ids'] : []),
    ...(settings.slowChown ? [] : ['only-remap-ids']),
    ...(isInUserNamespace() ? [] : ['rebase']),
  ]
}

/** Opens the overlay snapshotter; what a crash left on disk is removed in the background. */
export function openSnapshots(options: OverlaySnapshotterOptions): OverlaySnapshotter {
  return new OverlaySnapshotter(options)
}

const UPPERDIR = 'containerd.io/snapshot/overlay.upperdir'

export class OverlaySnapshotter implements Snapshotter {
  readonly #directories: SnapshotDirectories
  readonly #records: SnapshotRecords
  readonly #settings: OverlaySettings
  readonly #mountOptions: readonly string[]
  readonly #links: LayerLinks | undefined
  readonly #canMap = canMapOverlays()

  constructor(options: OverlaySnapshotterOptions) {
    this.#settings = options.settings ?? {}
    this.#records = new SnapshotRecords(options.store, options.now ?? Date.now)
    this.#mountOptions = overlayOptions(this.#settings.mountOptions ?? [])
    this.#links = options.linksDirectory === undefined ? undefined : new LayerLinks(options.linksDirectory)
    this.#directories = new SnapshotDirectories(options.root, options.log ?? silentLog)
    this.#records.describeIn(this.#directories)
    this.#directories.dropLost(this.#records)
    this.#sweep()
  }

  async prepare(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create(namespace, key, parent, labels, 'active')
  }

  async view(namespace: string, key: string, parent: string, labels: Labels = {}): Promise<Mount[]> {
    return this.#create(namespace, key, parent, labels, 'view')
  }

  async mounts(namespace: string, key: string): Promise<Mount[]> {
    const chain = this.#records.chain(namespace, key)
    if (chain.record.kind === 'committed')
      throw new Failure(
        'failed-precondition',
        `failed to get active mount: requested snapshot ${key} not active or view: failed precondition`,
      )
    return this.#mountsOf(chain)
  }

  async commit(
    namespace: string,
    name: string,
    key: string,
    options: { labels?: Labels; parent?: string } = {},
  ): Promise<void> {
    this.#records.commit(namespace, name, key, { labels: options.labels ?? {}, parent: options.parent ?? '' })
  }

  async remove(namespace: string, key: string): Promise<void> {
    const { id } = this.#records.remove(namespace, key)
    this.#links?.remove(id)
    const removal = this.#directories.discard(String(id))
    if (this.#settings.syncRemove) await removal
  }

  async stat(namespace: string, key: string): Promise<SnapshotInfo> {
    return this.#labelled(namespace, infoOf(key, this.#records.require(namespace, key)))
  }

  async update(
    namespace: string,
    info: { name: string; labels: Labels },
    fieldPaths: readonly string[],
  ): Promise<SnapshotInfo> {
    return this.#labelled(namespace, this.#records.update(namespace, info, fieldPaths))
  }

  async list(namespace: string): Promise<SnapshotInfo[]> {
    return this.#records.list(namespace).map((info) => this.#labelled(namespace, info))
  }

  async usage(namespace: string, key: string): Promise<SnapshotUsage> {
    const { id, kind, usage } = this.#records.require(namespace, key)
    if (usage) return usage
    const measured = await diskUsage(this.#directories.fsPath(id))
    // Only what can't change any more is worth keeping. It is measured when somebody asks, not when a pull waits for the commit.
    if (kind === 'committed') this.#records.setUsage(namespace, key, measured)
    return measured
  }

  async cleanup(): Promise<void> {
    this.#sweep()
    await this.#directories.removed()
  }

  /** The label is never stored: the directory is where it is now. */
  #labelled(namespace: string, info: SnapshotInfo): SnapshotInfo {
    if (!this.#settings.upperdirLabel) return info
    const upper = this.#directories.fsPath(this.#records.require(namespace, info.name).id)
    return { ...info, labels: { ...info.labels, [UPPERDIR]: upper } }
  }

  #create(namespace: string, key: string, parent: string, labels: Labels, kind: 'active' | 'view'): Mount[] {
    const parentIds = this.#records.checkNew(namespace, key, parent, labels)
    const owner = mappedRoot(labels)
    const id = this.#records.nextId()
    const directory = this.#directories.pathOf(id)
    try {
      mkdirSync(directory, { mode: 0o700 })
      failpoint('snapshot.directory-made')
      this.#makeFs(id, parentIds[0], owner)
      failpoint('snapshot.fs-made')
      if (kind === 'active') mkdirSync(join(directory, 'work'), { mode: 0o711 })
      failpoint('snapshot.work-made')
      this.#records.add(namespace, key, { id, kind, parent, labels })
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
    return this.#mountsOf(this.#records.chain(namespace, key))
  }

  /** The upper directory is the root directory that the container sees, so its owner is the one below's, or the user namespace's root. */
  #makeFs(id: number, parentId: number | undefined, owner: { uid: number; gid: number } | undefined): void {
    const path = this.#directories.fsPath(id)
    mkdirSync(path, { mode: 0o755 })
    const below = parentId === undefined ? { uid: 0, gid: 0 } : lstatSync(this.#directories.fsPath(parentId))
    const { uid, gid } = owner ?? below
    if (uid !== 0 || gid !== 0) chownSync(path, uid, gid)
  }

  #mountsOf({ record, parentIds }: SnapshotChain): Mount[] {
    const { id, kind, labels } = record
    const own = this.#directories.fsPath(id)
    const maps = this.#canMap ? idMapOptions(labels) : []
    const bind = (source: string, mode: 'ro' | 'rw') => [{ type: 'bind', source, options: [...maps, mode, 'rbind'] }]
    const layers = parentIds.map((parentId) => ({ id: parentId, path: this.#directories.fsPath(parentId) }))
    if (kind === 'active') {
      if (layers.length === 0) return bind(own, 'rw')
      const work = join(this.#directories.pathOf(id), 'work')
      return [this.#overlay(layers, [...maps, `workdir=${work}`, `upperdir=${own}`])]
    }
    // A view has nothing of its own to show, except where there is nothing else.
    if (layers.length <= 1) return bind(layers[0]?.path ?? own, 'ro')
    return [this.#overlay(layers, maps)]
  }

  /** Whoever maps ids mounts the directory that all layers share, and a link would lead out of that. */
  #overlay(layers: readonly { id: number; path: string }[], options: readonly string[]): Mount {
    const isMapped = options.some((option) => option.startsWith('uidmap=') || option.startsWith('gidmap='))
    const others = [...options, ...this.#mountOptions]
    const paths = isMapped ? undefined : this.#links?.shortened(layers, others)
    const lowers = paths ?? layers.map(({ path }) => path)
    const lowerdir = `lowerdir=${lowers.join(':')}`
    return { type: 'overlay', source: 'overlay', options: [...options, lowerdir, ...this.#mountOptions] }
  }

  #sweep(): void {
    this.#links?.sweep(this.#records.ids())
    this.#directories.sweep(this.#records)
  }
}

/** The kernel takes the last of two that contradict each other, so what is configured is not spoken against. */
function overlayOptions(configured: readonly string[]): string[] {
  const speaksOf = (key: string) => configured.some((option) => option === key || option.startsWith(`${key}=`))
  const options = [...configured]
  // With an index, a layer could not be under two containers' work at once.
  if (!speaksOf('index') && existsSync('/sys/module/overlay/parameters/index')) options.push('index=off')
  if (!speaksOf('userxattr') && isInUserNamespace()) options.push('userxattr') // trusted.* belongs to the host there
  return options
}

function isInUserNamespace(): boolean {
  try {
    return !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false // a kernel without user namespaces
  }
}
