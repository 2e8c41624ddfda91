// The few requests of the S3 protocol that a store needs, signed by aws4fetch. What comes back is small XML of known shape, blobs apart.
import { AwsClient } from 'aws4fetch'
import { Readable } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import { Failure } from '../../../base/failure.ts'
import { failpoint } from '../failpoints.ts'
import type { ByteRange } from './store.ts'

export interface S3Settings {
  bucket: string
  region: string
  /** `https://host:port`; undefined is Amazon's own for the region. */
  endpoint: string | undefined
  /** The bucket in the path, not in the host's name. */
  pathStyle: boolean
  accessKey: string
  secretKey: string
  sessionToken: string | undefined
  /** Before every key; ends with a slash unless empty. */
  prefix: string
  storageClass: string | undefined
  /** Server-side encryption: `AES256`, or `aws:kms` with `kmsKey`. */
  encryption: string | undefined
  kmsKey: string | undefined
}

export interface S3Object {
  key: string
  size: number
  modifiedAt: number
  etag: string
}

/** An object that is being made of several parts; nobody sees it before it is complete. */
export interface S3Multipart {
  key: string
  id: string
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** An object, as it was when somebody looked. */
export interface S3Version {
  key: string
  etag: string
}

/** A write that depends on what is there. */
export type Condition = { ifNoneMatch: '*' } | { ifMatch: string }

export type AssembledPart = { copy: S3Version } | { bytes: Uint8Array }

const RETRIES = 4
const ERROR_BYTES_MAX = 4096

export class S3Client {
  readonly #aws: AwsClient
  readonly #settings: S3Settings
  readonly #base: string

  constructor(settings: S3Settings) {
    const { accessKey, secretKey, sessionToken, region, bucket } = settings
    this.#settings = settings
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
    const session = sessionToken === undefined ? {} : { sessionToken }
    this.#aws = new AwsClient({ ...credentials, ...session, region, service: 's3', retries: RETRIES })
    const endpoint = settings.endpoint ?? `https://s3.${region}.amazonaws.com`
    const [scheme = '', host = ''] = endpoint.replace(/\/$/, '').split('://')
    this.#base = settings.pathStyle ? `${scheme}://${host}/${bucket}` : `${scheme}://${bucket}.${host}`
  }

  /** Undefined where there is none. */
  async head(key: string): Promise<{ size: number; modifiedAt: number } | undefined> {
    const response = await this.#send('HEAD', key)
    if (response.status === 404) return undefined
    await this.#expect(response, key, 200)
    const { headers } = response
    return { size: Number(headers.get('content-length')), modifiedAt: Date.parse(headers.get('last-modified') ?? '') }
  }

  /** Undefined where there is none, or none of that version. */
  async get(key: string, range?: ByteRange, version?: string): Promise<Readable | undefined> {
    const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` }
    if (version !== undefined) headers['if-match'] = version
    const response = await this.#send('GET', key, { headers })
    if (response.status === 404 || response.status === 412) {
      await response.body?.cancel()
      return undefined
    }
    await this.#expect(response, key, 200, 206)
    const { body } = response
    return body === null ? Readable.from([]) : Readable.fromWeb(body as unknown as WebStream<Uint8Array>)
  }

  async getText(key: string): Promise<{ text: string; etag: string } | undefined> {
    const response = await this.#send('GET', key)
    if (response.status === 404) {
      await response.body?.cancel()
      return undefined
    }
    await this.#expect(response, key, 200)
    return { text: await response.text(), etag: response.headers.get('etag') ?? '' }
  }

  /** False where the condition does not hold. */
  async put(key: string, body: string | Uint8Array, condition?: Condition): Promise<boolean> {
    return (await this.putVersion(key, body, condition)) !== undefined
  }

  /** The new version's tag; undefined where the condition does not hold. */
  async putVersion(key: string, body: string | Uint8Array, condition?: Condition): Promise<string | undefined> {
    const headers = { ...this.#kind(), ...conditionHeaders(condition) }
    const response = await this.#send('PUT', key, { headers, body: Buffer.from(body as Uint8Array) })
    if (condition !== undefined && (response.status === 412 || response.status === 409 || response.status === 404)) {
      await response.body?.cancel()
      return undefined
    }
    await this.#expect(response, key, 200)
    await response.body?.cancel()
    failpoint('object.written')
    return response.headers.get('etag') ?? ''
  }

  async remove(key: string): Promise<void> {
    const response = await this.#send('DELETE', key)
    await this.#expect(response, key, 204, 200, 404)
    await response.body?.cancel()
    failpoint('object.removed')
  }

  /** In order of keys. With a delimiter what lies deeper is named once, by its beginning. */
  async *list(prefix: string, delimiter?: string): AsyncGenerator<S3Object | { folder: string }> {
    let token: string | undefined
    do {
      const query = new URLSearchParams({ 'list-type': '2', prefix: this.#settings.prefix + prefix })
      if (delimiter !== undefined) query.set('delimiter', delimiter)
      if (token !== undefined) query.set('continuation-token', token)
      const response = await this.#send('GET', undefined, { query: query.toString() })
      await this.#expect(response, prefix, 200)
      const text = await response.text()
      for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs))
        yield {
          key: unescapeXml(element(entry, 'Key') ?? '').slice(this.#settings.prefix.length),
          size: Number(element(entry, 'Size')),
          modifiedAt: Date.parse(element(entry, 'LastModified') ?? ''),
          etag: unescapeXml(element(entry, 'ETag') ?? ''),
        }
      for (const [, entry = ''] of text.matchAll(/<CommonPrefixes>(.*?)<\/CommonPrefixes>/gs))
        yield { folder: unescapeXml(element(entry, 'Prefix') ?? '').slice(this.#settings.prefix.length) }
      const isMore = element(text, 'IsTruncated') === 'true'
      token = isMore ? unescapeXml(element(text, 'NextContinuationToken') ?? '') : undefined
    } while (token !== undefined && token !== '')
  }

  /** Throws not-found where the source is another version by now, or none. */
  async copy(from: S3Version, to: string): Promise<void> {
    await this.#copyInto(from, to, this.#kind())
    failpoint('object.copied')
  }

  async #copyInto(from: S3Version, to: string, headers: Record<string, string>, query = ''): Promise<string> {
    const response = await this.#send('PUT', to, { query, headers: { ...headers, ...this.#source(from) } })
    if (response.status === 412 || response.status === 404) {
      await response.body?.cancel()
      throw new Failure('not-found', `${from.key} has changed`)
    }
    return await this.#expectXml(response, to)
  }

  /** Those that are under way, or that nobody will ever complete. */
  async *listMultiparts(prefix: string): AsyncGenerator<S3Multipart> {
    let at: { key: string; id: string } | undefined
    do {
      const query = new URLSearchParams({ uploads: '', prefix: this.#settings.prefix + prefix })
      if (at !== undefined) {
        query.set('key-marker', at.key)
        query.set('upload-id-marker', at.id)
      }
      const response = await this.#send('GET', undefined, { query: query.toString() })
      await this.#expect(response, prefix, 200)
      const text = await response.text()
      for (const [, entry = ''] of text.matchAll(/<Upload>(.*?)<\/Upload>/gs))
        yield {
          key: unescapeXml(element(entry, 'Key') ?? '').slice(this.#settings.prefix.length),
          id: unescapeXml(element(entry, 'UploadId') ?? ''),
          startedAt: Date.parse(element(entry, 'Initiated') ?? ''),
        }
      const isMore = element(text, 'IsTruncated') === 'true'
      const [key, id] = [element(text, 'NextKeyMarker') ?? '', element(text, 'NextUploadIdMarker') ?? '']
      at = isMore && key !== '' ? { key: unescapeXml(key), id: unescapeXml(id) } : undefined
    } while (at !== undefined)
  }

  /** With the parts that it has. One that is complete or gone already is well, too. */
  async abortMultipart({ key, id }: { key: string; id: string }): Promise<void> {
    const response = await this.#send('DELETE', key, { query: `uploadId=${encodeURIComponent(id)}` })
    await this.#expect(response, key, 204, 200, 404)
    await response.body?.cancel()
  }

  /** Makes one object of several parts; it appears as a whole. Throws as `copy`. Each part but the last has at least 5 MiB. */
  async assemble(key: string, parts: AsyncIterable<AssembledPart>): Promise<void> {
    const begun = await this.#send('POST', key, { query: 'uploads=', headers: this.#kind() })
    const id = element(await this.#expectXml(begun, key), 'UploadId')
    if (id === undefined) throw new Failure('unavailable', `S3 gives no upload id for ${key}`)
    const upload = encodeURIComponent(unescapeXml(id))
    failpoint('multipart.begun')
    try {
      const etags: string[] = []
      for await (const part of parts) {
        etags.push(await this.#sendPart(key, upload, etags.length + 1, part))
        failpoint('multipart.part')
      }
      const list = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
      const body = `<CompleteMultipartUpload>${list.join('')}</CompleteMultipartUpload>`
      await this.#expectXml(
        await this.#send('POST', key, { query: `uploadId=${upload}`, body: Buffer.from(body) }),
        key,
      )
      failpoint('multipart.completed')
    } catch (error) {
      await this.abortMultipart({ key, id: unescapeXml(id) }).catch(() => {}) // swept with what crashes leave
      throw error
    }
  }

  async #sendPart(key: string, upload: string, number: number, part: AssembledPart): Promise<string> {
    const query = `partNumber=${number}&uploadId=${upload}`
    if ('copy' in part) {
      const text = await this.#copyInto(part.copy, key, {}, query)
      return unescapeXml(element(text, 'ETag') ?? '')
    }
    const response = await this.#send('PUT', key, { query, body: Buffer.from(part.bytes) })
    await this.#expect(response, key, 200)
    await response.body?.cancel()
    return response.headers.get('etag') ?? ''
  }

  async #send(
    method: string,
    key: string | undefined,
    { query = '', headers = {}, body }: { query?: string; headers?: Record<string, string>; body?: Buffer } = {},
  ): Promise<Response> {
    const path = key === undefined ? '/' : `/${encodeKey(this.#settings.prefix + key)}`
    const url = `${this.#base}${path}${query === '' ? '' : `?${query}`}`
    try {
      return await this.#aws.fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
    } catch (error) {
      throw new Failure('unavailable', `S3 at ${this.#base} can't be reached`, { cause: error })
    }
  }

  async #expect(response: Response, key: string, ...statuses: number[]): Promise<void> {
    if (statuses.includes(response.status)) return
    const text = (await response.text().catch(() => '')).slice(0, ERROR_BYTES_MAX)
    const reason = element(text, 'Message') ?? element(text, 'Code') ?? ''
    throw new Failure('unavailable', `S3 answers ${response.status} for ${key}: ${unescapeXml(reason)}`)
  }

  /** Some operations fail after they have answered 200: the error is in the body then. */
  async #expectXml(response: Response, key: string): Promise<string> {
    await this.#expect(response, key, 200)
    const text = await response.text()
    if (/<Error>/.test(text)) throw new Failure('unavailable', `S3 fails for ${key}: ${element(text, 'Message') ?? ''}`)
    return text
  }

  #source({ key, etag }: S3Version): Record<string, string> {
    const source = `/${this.#settings.bucket}/${encodeKey(this.#settings.prefix + key)}`
    return { 'x-amz-copy-source': source, 'x-amz-copy-source-if-match': etag }
  }

  #kind(): Record<string, string> {
    const { storageClass, encryption, kmsKey } = this.#settings
    return {
      ...(storageClass === undefined ? {} : { 'x-amz-storage-class': storageClass }),
      ...(encryption === undefined ? {} : { 'x-amz-server-side-encryption': encryption }),
      ...(kmsKey === undefined ? {} : { 'x-amz-server-side-encryption-aws-kms-key-id': kmsKey }),
    }
  }
}

function conditionHeaders(condition: Condition | undefined): Record<string, string> {
  if (condition === undefined) return {}
  return 'ifMatch' in condition ? { 'if-match': condition.ifMatch } : { 'if-none-match': '*' }
}

function encodeKey(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/')
}

function element(text: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1]
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#34': '"',
  '#39': "'",
}

function unescapeXml(text: string): string {
  return text.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
}
