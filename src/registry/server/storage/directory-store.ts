// The store in a directory, in the original registry's layout. A name appears with its whole content behind it or not at all: bytes are
// written to a draft or an upload, synced, and linked or renamed into place, and the directory is synced after.
//
// Several processes may work on one directory (a collector beside a server): of a pardon and a claim, which unlink and rename the same
// file, the kernel lets one win. Appends to one upload must come from one process.
import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { DRAFT_SUFFIX, replaceFile, syncDirectory } from '../../../base/atomic-file.ts'
import { Failure } from '../../../base/failure.ts'
import { KeyedMutex } from '../../../base/keyed-mutex.ts'
import type { Digest } from '../../../oci/digest.ts'
import { failpoint } from '../failpoints.ts'
import { parseTag, parseUploadId, type RepositoryName, type UploadId } from '../names.ts'
import { absentAs, errnoOf } from './absent.ts'
import { FileBody } from './file-body.ts'
import { removeLeftovers } from './directory-leftovers.ts'
import { findRepositories } from './directory-repositories.ts'
import * as layout from './layout.ts'
import { LinkedStore } from './linked-store.ts'
import type { ByteRange, Claim, CondemnedBlob, OnStored, Pardon, RegistryStore, UploadState } from './store.ts'

export class DirectoryStore extends LinkedStore implements RegistryStore {
  readonly #root: string
  /** One process serves a directory. */
  readonly #exclusive = new KeyedMutex()

  constructor(root: string) {
    super()
    this.#root = root
  }

  async check(): Promise<void> {
    const probe = this.#at(`${layout.ROOT}/.probe-${randomUUID()}${DRAFT_SUFFIX}`)
    await this.#makeFolder(dirname(probe))
    await (await open(probe, 'wx', 0o600)).close()
    await unlink(probe)
  }

  async removeLeftovers(before: number): Promise<number> {
    return removeLeftovers(this.#at(layout.ROOT), before)
  }

  async statBlob(digest: Digest): Promise<number | undefined> {
    return (await absentAs(undefined, stat(this.#at(layout.blobPath(digest)))))?.size
  }

  async readBlob(digest: Digest, range?: ByteRange): Promise<Readable | undefined> {
    const file = await absentAs(undefined, open(this.#at(layout.blobPath(digest)), 'r'))
    return file && new FileBody(file, range)
  }

  async writeBlob(digest: Digest, bytes: Uint8Array): Promise<void> {
    await this.#write(layout.blobPath(digest), bytes)
  }

  async removeBlob(digest: Digest): Promise<void> {
    const folder = this.#at(layout.blobFolder(digest))
    await rm(folder, { recursive: true, force: true })
    await absentAs(undefined, syncDirectory(dirname(folder)))
  }

  async *listBlobs(): AsyncIterable<Digest> {
    for (const algorithm of await this.#names(layout.BLOBS))
      for (const prefix of await this.#names(`${layout.BLOBS}/${algorithm}`))
        for (const hex of await this.#names(`${layout.BLOBS}/${algorithm}/${prefix}`)) {
          const digest = layout.tryDigest(`${algorithm}:${hex}`)
          if (digest !== undefined && (await this.statBlob(digest)) !== undefined) yield digest
        }
  }

  async setTag(name: RepositoryName, tag: string, digest: Digest): Promise<void> {
    await this.link(layout.tagIndexPath(name, tag, digest), digest)
    await this.#write(layout.currentPath(name, tag), digest)
  }

  async createTag(name: RepositoryName, tag: string, digest: Digest): Promise<Digest | undefined> {
    const target = this.#at(layout.currentPath(name, tag))
    const draft = `${target}.${randomUUID()}${DRAFT_SUFFIX}`
    await this.#inFolder(draft, () => replaceFile(draft, digest, { durability: 'durable' }))
    try {
      await link(draft, target) // unlike a rename it takes nobody's place
      await syncDirectory(dirname(target))
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return await this.readTag(name, tag)
      throw error
    } finally {
      await unlink(draft)
    }
    await this.link(layout.tagIndexPath(name, tag, digest), digest)
    return undefined
  }

  async readTag(name: RepositoryName, tag: string): Promise<Digest | undefined> {
    const text = await absentAs(undefined, readFile(this.#at(layout.currentPath(name, tag)), 'utf8'))
    return text === undefined ? undefined : layout.tryDigest(text)
  }

  async removeTag(name: RepositoryName, tag: string): Promise<boolean> {
    const removed = await this.unlink(layout.currentPath(name, tag))
    await rm(this.#at(layout.tagPath(name, tag)), { recursive: true, force: true })
    return removed
  }

  async listTags(name: RepositoryName): Promise<string[] | undefined> {
    if (!(await this.exists(layout.manifestsPath(name)))) return undefined
    const tags = (await this.#names(layout.tagsPath(name))).filter((tag) => parseTag(tag) !== undefined)
    const current = await Promise.all(tags.map((tag) => this.exists(layout.currentPath(name, tag))))
    return tags.filter((_, at) => current[at]).sort()
  }

  async listRepositories(): Promise<RepositoryName[]> {
    return findRepositories(this.#at(layout.REPOSITORIES), ['_manifests'])
  }

  listAllRepositories(): Promise<RepositoryName[]> {
    return findRepositories(this.#at(layout.REPOSITORIES), ['_manifests', '_layers', '_uploads'])
  }

  exclusively<T>(name: RepositoryName, work: (mustHold: () => void) => Promise<T>): Promise<T> {
    return this.#exclusive.run(name, () => work(() => {}))
  }

  async createUpload(name: RepositoryName, id: UploadId): Promise<void> {
    const folder = this.#at(layout.uploadPath(name, id))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await (await open(join(folder, 'data'), 'wx', 0o600)).close()
    await replaceFile(join(folder, 'startedat'), new Date().toISOString(), { durability: 'atomic' })
  }

  async statUpload(name: RepositoryName, id: UploadId): Promise<UploadState | undefined> {
    const folder = this.#at(layout.uploadPath(name, id))
    const data = await absentAs(undefined, stat(join(folder, 'data')))
    if (data === undefined) return undefined
    const text = await absentAs('', readFile(join(folder, 'startedat'), 'utf8'))
    const startedAt = Date.parse(text)
    return { size: data.size, startedAt: Number.isNaN(startedAt) ? data.birthtimeMs : startedAt }
  }

  async appendUpload(
    name: RepositoryName,
    id: UploadId,
    offset: number,
    source: AsyncIterable<Uint8Array>,
    onStored: OnStored = () => {},
  ): Promise<number> {
    const data = this.#at(`${layout.uploadPath(name, id)}/data`)
    await absentAs(undefined, this.#ownFile(data))
    const file = await absentAs(undefined, open(data, 'r+'))
    if (file === undefined) throw new Failure('not-found', `no upload ${id}`)
    try {
      const { size } = await file.stat()
      if (size !== offset) throw new Failure('out-of-range', `upload ${id} has ${size} bytes`)
      let at = offset
      for await (const part of source)
        for (let rest = part; rest.length > 0; ) {
          const { bytesWritten } = await file.write(rest, 0, rest.length, at)
          at += bytesWritten
          rest = rest.subarray(bytesWritten)
          onStored(at)
        }
      return at
    } finally {
      await file.close()
    }
  }

  async readUpload(name: RepositoryName, id: UploadId, range?: ByteRange): Promise<Readable> {
    return new FileBody(await open(this.#at(`${layout.uploadPath(name, id)}/data`), 'r'), range)
  }

  async promoteUpload(name: RepositoryName, id: UploadId, digest: Digest, size: number): Promise<void> {
    const data = this.#at(`${layout.uploadPath(name, id)}/data`)
    const target = this.#at(layout.blobPath(digest))
    const file = await open(data, 'r')
    try {
      if ((await file.stat()).size !== size) throw new Failure('not-found', `upload ${id} has changed`)
      await file.sync()
    } finally {
      await file.close()
    }
    failpoint('blob.synced')
    // A second name, not a rename: until the blob is linked into the repository the upload can be tried again.
    await this.#inFolder(target, async () => {
      await link(data, target).catch((error) => {
        if (errnoOf(error) !== 'EEXIST') throw error
      })
      failpoint('blob.named')
      await syncDirectory(dirname(target))
    })
  }

  /** Where an upload was made a blob and a crash kept it from going, the file is both: who writes to it gets a copy. */
  async #ownFile(data: string): Promise<void> {
    if ((await stat(data)).nlink === 1) return
    const draft = `${data}.${randomUUID()}${DRAFT_SUFFIX}`
    await copyFile(data, draft, constants.COPYFILE_FICLONE)
    await rename(draft, data)
  }

  async removeUpload(name: RepositoryName, id: UploadId): Promise<boolean> {
    const folder = this.#at(layout.uploadPath(name, id))
    const removed = await this.unlink(`${layout.uploadPath(name, id)}/data`)
    await rm(folder, { recursive: true, force: true })
    return removed
  }

  async *listUploads(name: RepositoryName): AsyncIterable<UploadId> {
    for (const text of await this.#names(layout.uploadsPath(name))) {
      const id = parseUploadId(text)
      if (id !== undefined) yield id
    }
  }

  async condemnBlob(digest: Digest, now: number): Promise<void> {
    if (await this.exists(layout.condemnedPath(digest))) return
    if (await this.exists(layout.claimedPath(digest))) return
    await this.#write(layout.condemnedPath(digest), new Date(now).toISOString())
  }

  async pardonBlob(digest: Digest): Promise<Pardon> {
    // The claim is a rename out of here: who finds nothing looks whether it went there.
    if (await this.unlink(layout.condemnedPath(digest))) return 'pardoned'
    return (await this.exists(layout.claimedPath(digest))) ? 'claimed' : 'unmarked'
  }

  async claimBlob(digest: Digest, now: number): Promise<Claim | undefined> {
    const target = this.#at(layout.claimedPath(digest))
    await this.#makeFolder(dirname(target))
    try {
      await rename(this.#at(layout.condemnedPath(digest)), target)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
    await syncDirectory(dirname(target))
    return this.takeOverClaim(digest, now)
  }

  /** Written into the file that is there: one that its owner has removed meanwhile does not come back. */
  async takeOverClaim(digest: Digest, now: number): Promise<Claim | undefined> {
    const file = await absentAs(undefined, open(this.#at(layout.claimedPath(digest)), 'r+'))
    if (file === undefined) return undefined
    const claim = `${new Date(now).toISOString()} ${randomUUID()}` as Claim
    try {
      await file.write(claim, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    return (await this.holdsClaim(digest, claim)) ? claim : undefined
  }

  async holdsClaim(digest: Digest, claim: Claim): Promise<boolean> {
    return (await absentAs('', readFile(this.#at(layout.claimedPath(digest)), 'utf8'))) === claim
  }

  async releaseBlob(digest: Digest): Promise<void> {
    await this.unlink(layout.claimedPath(digest))
  }

  async *listCondemned(): AsyncIterable<CondemnedBlob> {
    for (const [folder, claimed] of [
      [layout.CONDEMNED, false],
      [layout.CLAIMED, true],
    ] as const)
      for (const algorithm of await this.#names(folder))
        for (const hex of await this.#names(`${folder}/${algorithm}`)) {
          const digest = layout.tryDigest(`${algorithm}:${hex}`)
          // A rename keeps the time of the content, and changes that of the entry: the claim's.
          const found = await absentAs(undefined, stat(this.#at(`${folder}/${algorithm}/${hex}`)))
          if (digest === undefined || found === undefined) continue
          const text = await absentAs('', readFile(this.#at(`${folder}/${algorithm}/${hex}`), 'utf8'))
          const condemned = Date.parse(text)
          const since = claimed || Number.isNaN(condemned) ? found.ctimeMs : condemned
          yield { digest, since, claimed }
        }
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #at(path: string): string {
    return join(this.#root, path)
  }

  protected exists(path: string): Promise<boolean> {
    return absentAs(
      false,
      stat(this.#at(path)).then(() => true),
    )
  }

  async #names(path: string): Promise<string[]> {
    const names = await absentAs<string[]>([], readdir(this.#at(path)))
    return names.sort()
  }

  /** A link's content never changes: there already is done already. */
  protected async link(folder: string, digest: Digest): Promise<void> {
    const path = `${folder}/link`
    if (!(await this.exists(path))) await this.#write(path, digest)
  }

  #write(path: string, content: string | Uint8Array): Promise<void> {
    const target = this.#at(path)
    return this.#inFolder(target, async () => {
      await replaceFile(target, content, { durability: 'durable' })
      failpoint('file.written')
    })
  }

  /** A folder that is removed as it becomes empty may go between the making and the writing: then once more. */
  async #inFolder(target: string, work: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      await this.#makeFolder(dirname(target))
      try {
        return await work()
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || tries === 10) throw error
      }
    }
  }

  protected async unlink(path: string): Promise<boolean> {
    const target = this.#at(path)
    try {
      await unlink(target)
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw error
    }
    await syncDirectory(dirname(target))
    // `link` stands in a folder of its own.
    if (path.endsWith('/link')) await rmdir(dirname(target)).catch(() => {}) // somebody else's new link is in it
    return true
  }

  /** Each new name on the way survives power loss. */
  async #makeFolder(path: string): Promise<void> {
    const made = await mkdir(path, { recursive: true, mode: 0o700 })
    if (made === undefined) return
    for (let each = path; each.length >= made.length; each = dirname(each))
      await absentAs(undefined, syncDirectory(dirname(each)))
  }

  /** Digests of `FOLDER/sha256/HEX/link`. */
  protected async *links(folder: string): AsyncIterable<Digest> {
    for (const algorithm of await this.#names(folder))
      for (const hex of await this.#names(`${folder}/${algorithm}`)) {
        const digest = layout.tryDigest(`${algorithm}:${hex}`)
        if (digest !== undefined && (await this.exists(`${folder}/${algorithm}/${hex}/link`))) yield digest
      }
  }
}
