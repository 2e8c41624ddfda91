// A registry as an end of a transfer: which hosts to ask, with which credentials and headers, and in containerd's words when it refuses.
import { create } from '@bufbuild/protobuf'
import { Mutex } from '../../base/mutex.ts'
import { Failure, isFailure, withSubject } from '../../base/failure.ts'
import type { Log } from '../../base/log.ts'
import {
  AuthRequestSchema,
  AuthResponseSchema,
  AuthType,
  type OCIRegistry,
} from '../../gen/types/transfer/registry_pb.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { isIndexType, isManifestType } from '../../oci/media-type.ts'
import { parseReference } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'
import { ConnectionFailure } from '../../registry/upstream/http-request.ts'
import { fetchBlob } from '../../registry/client/fetch-blob.ts'
import { type Capability, loadHosts, type RegistryHost } from '../../registry/client/hosts-directory.ts'
import type { RegistryAuth } from '../../registry/upstream/registry-auth.ts'
import { type RegistryError, registryErrorText } from '../../registry/client/registry-error.ts'
import { RegistrySession } from '../../registry/client/registry-session.ts'
import { type ResolvedManifest, resolveManifest } from '../../registry/client/resolve-manifest.ts'
import { packMessage, unpackMessage } from '../client/any.ts'
import { type HttpDump, openHttpDump } from './http-dump.ts'
import type { NamedStream, NamedStreams } from './named-stream.ts'

type AskForAuth = (host: string) => Promise<RegistryAuth | undefined>

export interface RegistryContext {
  streams: NamedStreams
  namespace: string
  log: Log
  /** Aborts when the transfer is over, however it ended. */
  over: AbortSignal
}

export class RegistryEnd {
  /** As the client wrote it. */
  readonly name: string
  readonly reference: Reference
  readonly #hosts: readonly RegistryHost[]
  readonly #headers: Readonly<Record<string, string>>
  readonly #auth: AskForAuth
  readonly #dump: HttpDump | undefined
  readonly #sessions = new Map<string, RegistrySession>()

  private constructor(fields: {
    name: string
    reference: Reference
    hosts: readonly RegistryHost[]
    headers: Readonly<Record<string, string>>
    auth: AskForAuth
    dump: HttpDump | undefined
  }) {
    this.name = fields.name
    this.reference = fields.reference
    this.#hosts = fields.hosts
    this.#headers = fields.headers
    this.#auth = fields.auth
    this.#dump = fields.dump
  }

  /** Throws `not-found` where a stream that it names is not open. */
  static async open(message: OCIRegistry, context: RegistryContext): Promise<RegistryEnd> {
    const { streams, namespace, log } = context
    const { resolver } = message
    const reference = parseFullReference(message.reference)
    const authStream = resolver?.authStream ? streams.require(namespace, resolver.authStream) : undefined
    return new RegistryEnd({
      name: message.reference,
      reference,
      hosts: await loadHosts(reference.domain, {
        directory: resolver?.hostDir || undefined,
        defaultScheme: resolver?.defaultScheme ?? '',
        warn: (text) => log.warn(text),
      }),
      headers: resolver?.headers ?? {},
      auth: authStream === undefined ? async () => undefined : askingFor(authStream, message.reference),
      dump: openHttpDump(resolver, context),
    })
  }

  /** As containerd prints it in progress events. */
  toString(): string {
    return `OCI Registry (${this.name})`
  }

  /** What the reference names. Mirrors are asked first; the last host's refusal is the one that is told. */
  async resolve(signal: AbortSignal): Promise<ResolvedManifest> {
    const { reference } = this
    if (reference.tag === undefined && reference.digest === undefined)
      throw new Failure('unknown', 'failed to resolve image: object required')
    const wanted: Capability[] = reference.digest === undefined ? ['pull', 'resolve'] : ['pull']
    try {
      return await this.#tryHosts(wanted, signal, (session) =>
        resolveManifest(session, reference, signal, (_, status, error) => this.#refusal(status, error)),
      )
    } catch (error) {
      throw withSubject('failed to resolve image', explained(error))
    }
  }

  /** The bytes of a blob or manifest of the repository, from `offset` on; the content store proves them. What one host breaks off the next one goes on with. */
  async *fetch(
    descriptor: Descriptor,
    options: { signal: AbortSignal; offset: number; onProgress(done: number): void },
  ): AsyncGenerator<Uint8Array> {
    const sessions = this.#sessionsFor(['pull'], 'pull')
    let done = options.offset
    for (const [index, session] of sessions.entries()) {
      const hasAlternative = index < sessions.length - 1
      try {
        for await (const part of this.#fetchFrom(session, descriptor, { ...options, offset: done, hasAlternative })) {
          done += part.length
          yield part
        }
        return
      } catch (error) {
        const isLast = !hasAlternative || options.signal.aborted
        // Bytes of another digest: whoever stores them finds that, too, and says so in the words of the content store.
        if (isFailure(error, 'data-loss') && (isLast || done > options.offset)) return
        if (isLast) throw explained(error)
      }
    }
  }

  /** The session to push over. */
  pushSession(): RegistrySession {
    const [session] = this.#sessionsFor(['push'], 'pull,push')
    if (session === undefined) throw new Failure('not-found', 'no push hosts: not found')
    return session
  }

  async *#fetchFrom(
    session: RegistrySession,
    descriptor: Descriptor,
    options: { signal: AbortSignal; offset: number; hasAlternative: boolean; onProgress(done: number): void },
  ): AsyncGenerator<Uint8Array> {
    const { mediaType, digest } = descriptor
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) {
      yield* fetchBlob(session, descriptor, { ...options, isProvenElsewhere: true })
      return
    }
    const wanted = { ...this.reference, tag: undefined, digest }
    const refuse = (_: Reference, status: number, error: RegistryError) => this.#refusal(status, error, digest)
    yield (await resolveManifest(session, wanted, options.signal, refuse)).bytes.subarray(options.offset)
  }

  async #tryHosts<T>(
    capabilities: readonly Capability[],
    signal: AbortSignal,
    work: (session: RegistrySession) => Promise<T>,
  ): Promise<T> {
    const sessions = this.#sessionsFor(capabilities, 'pull')
    for (const [index, session] of sessions.entries()) {
      try {
        return await work(session)
      } catch (error) {
        if (index === sessions.length - 1 || signal.aborted) throw error
      }
    }
    throw new Failure('not-found', `no ${capabilities.at(-1)} hosts: not found`)
  }

  #sessionsFor(capabilities: readonly Capability[], actions: string): RegistrySession[] {
    const able = this.#hosts.filter((host) => capabilities.every((capability) => host.capabilities.has(capability)))
    return able.map((host) => {
      const key = `${host.host} ${actions}`
      const known = this.#sessions.get(key)
      if (known !== undefined) return known
      const endpoint = { ...host, headers: { ...host.headers, ...this.#headers } }
      const session = new RegistrySession(endpoint, {
        repository: this.reference.path,
        actions,
        auth: () => this.#auth(host.host),
        showsRequests: true,
        ...(this.#dump === undefined ? {} : { watch: this.#dump }),
      })
      this.#sessions.set(key, session)
      return session
    })
  }

  #refusal(status: number, error: RegistryError, digest?: string): Failure {
    if (status === 404) return new Failure('not-found', `${digest ?? this.name}: not found`)
    const text = registryErrorText(error)
    return new Failure(status === 401 || status === 403 ? 'unauthenticated' : 'unknown', text)
  }
}

/** Credentials go to registries that refuse without; containerd's words for those that still do. */
function explained(error: unknown): unknown {
  if (error instanceof ConnectionFailure) return withSubject('failed to do request', error)
  if (!isFailure(error, 'unauthenticated')) return error
  return new Failure(
    'unknown',
    `pull access denied, repository does not exist or may require authorization: authorization failed: ${error.message}`,
    { cause: error },
  )
}

/** With its registry's name, which the Docker CLI alone leaves out. */
function parseFullReference(text: string): Reference {
  const slash = text.indexOf('/')
  if (slash <= 0 || !/[.:]|^localhost$/.test(text.slice(0, slash)))
    throw new Failure('unknown', 'failed to resolve image: object required')
  return parseReference(text)
}

/** Asks the client, once for each host and one question at a time: the stream has no other way to tell which answer is whose. */
function askingFor(stream: NamedStream, reference: string): AskForAuth {
  const turn = new Mutex()
  const known = new Map<string, RegistryAuth>()
  return (host) =>
    turn.run(async () => {
      const auth = known.get(host) ?? (await ask(stream, reference, host))
      known.set(host, auth)
      return auth
    })
}

async function ask(stream: NamedStream, reference: string, host: string): Promise<RegistryAuth> {
  stream.send(packMessage(AuthRequestSchema, create(AuthRequestSchema, { host, reference })))
  const answer = await stream.receive()
  const response = answer === undefined ? undefined : unpackMessage(AuthResponseSchema, answer)
  if (response === undefined) throw new Failure('unauthenticated', 'the client gives no credentials')
  const { authType, username, secret } = response
  if (authType === AuthType.HEADER) return { authorization: secret }
  if (authType === AuthType.CREDENTIALS) return { username, password: secret }
  return authType === AuthType.REFRESH && secret !== '' ? { identityToken: secret } : {}
}
