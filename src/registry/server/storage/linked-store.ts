// What belongs to which repository, as links: which there are and where they lie is the layout's, and the same in a directory and in a bucket.
import type { Digest } from '../../../oci/digest.ts'
import type { RepositoryName } from '../names.ts'
import * as layout from './layout.ts'

export abstract class LinkedStore {
  /** Writes `FOLDER/link`, where it is not there. */
  protected abstract link(folder: string, digest: Digest): Promise<void>
  protected abstract exists(path: string): Promise<boolean>
  /** True where there was one. */
  protected abstract unlink(path: string): Promise<boolean>
  /** Digests of `FOLDER/<algorithm>/<hex>/link`. */
  protected abstract links(folder: string): AsyncIterable<Digest>

  linkBlob(name: RepositoryName, digest: Digest): Promise<void> {
    return this.link(layout.layerPath(name, digest), digest)
  }

  isBlobLinked(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.exists(`${layout.layerPath(name, digest)}/link`)
  }

  unlinkBlob(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.unlink(`${layout.layerPath(name, digest)}/link`)
  }

  listBlobLinks(name: RepositoryName): AsyncIterable<Digest> {
    return this.links(layout.layersPath(name))
  }

  async linkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<void> {
    if (subject !== undefined) await this.link(layout.referrerPath(name, subject, digest), digest)
    await this.link(layout.revisionPath(name, digest), digest)
  }

  isManifestLinked(name: RepositoryName, digest: Digest): Promise<boolean> {
    return this.exists(`${layout.revisionPath(name, digest)}/link`)
  }

  async unlinkManifest(name: RepositoryName, digest: Digest, subject?: Digest): Promise<boolean> {
    const removed = await this.unlink(`${layout.revisionPath(name, digest)}/link`)
    if (subject !== undefined) await this.unlink(`${layout.referrerPath(name, subject, digest)}/link`)
    return removed
  }

  listManifests(name: RepositoryName): AsyncIterable<Digest> {
    return this.links(layout.revisionsPath(name))
  }

  async listReferrers(name: RepositoryName, subject: Digest): Promise<Digest[]> {
    const found: Digest[] = []
    for await (const digest of this.links(layout.referrersPath(name, subject))) found.push(digest)
    return found.sort()
  }
}
