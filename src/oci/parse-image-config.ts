// The image configuration (image-spec config.md, with Docker's additions): what a container of the image is by default.
import { Failure } from '../base/failure.ts'
import { type Digest, digestOf, parseDigest } from './digest.ts'
import {
  booleanOf,
  type JsonObject,
  listOf,
  numberOf,
  objectOf,
  optional,
  parseJsonObject,
  stringMapOf,
  stringOf,
} from './json-shape.ts'

export const IMAGE_CONFIG_BYTES_MAX = 8 * 1024 * 1024

export interface ImageConfig {
  architecture: string
  os: string
  variant?: string
  'os.version'?: string
  created?: string
  author?: string
  config: ContainerDefaults
  rootfs: { type: 'layers'; diff_ids: Digest[] }
  history: HistoryEntry[]
}

export interface ContainerDefaults {
  User?: string
  ExposedPorts?: Record<string, object>
  Env?: string[]
  Entrypoint?: string[]
  Cmd?: string[]
  Volumes?: Record<string, object>
  WorkingDir?: string
  Labels?: Record<string, string>
  StopSignal?: string
  StopTimeout?: number
  Healthcheck?: {
    Test?: string[]
    Interval?: number
    Timeout?: number
    StartPeriod?: number
    StartInterval?: number
    Retries?: number
  }
  Shell?: string[]
  OnBuild?: string[]
  ArgsEscaped?: boolean
}

export interface HistoryEntry {
  created?: string
  created_by?: string
  author?: string
  comment?: string
  empty_layer?: boolean
}

/** Throws Failure('invalid-argument'). Fields that nobody knows are passed over. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  if (bytes.length > IMAGE_CONFIG_BYTES_MAX)
    throw new Failure('resource-exhausted', `image config is larger than ${IMAGE_CONFIG_BYTES_MAX} bytes`)
  const document = parseJsonObject(bytes, 'image config')
  // A manifest served as a config would come out as an image without layers.
  if ('layers' in document || 'manifests' in document)
    throw new Failure('invalid-argument', 'image config is a manifest')
  const rootfs = objectOf(document['rootfs'], 'image config rootfs')
  return {
    architecture: optional(document['architecture'], 'architecture', stringOf) ?? '',
    os: optional(document['os'], 'os', stringOf) ?? '',
    ...pick(document, 'variant', stringOf),
    ...pick(document, 'os.version', stringOf),
    ...pick(document, 'created', stringOf),
    ...pick(document, 'author', stringOf),
    config: optional(document['config'], 'image config config', parseDefaults) ?? {},
    rootfs: {
      type: 'layers',
      diff_ids: listOf(rootfs['diff_ids'], 'image config rootfs.diff_ids', (id, what) =>
        parseDigest(stringOf(id, what)),
      ),
    },
    history: listOf(document['history'], 'image config history', parseHistory),
  }
}

/** The name of a stack of layers (image-spec config.md, "Layer ChainID"): of all of them, and of each part from the bottom. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffId of diffIds) {
    const below = chain.at(-1)
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`))
  }
  return chain
}

function parseDefaults(value: unknown, what: string): ContainerDefaults {
  const object = objectOf(value, what)
  const strings = (list: unknown, at: string) => listOf(list, at, stringOf)
  const set = (names: unknown, at: string) =>
    Object.fromEntries(Object.keys(objectOf(names, at)).map((name) => [name, {}]))
  return {
    ...pick(object, 'User', stringOf),
    ...pick(object, 'ExposedPorts', set),
    ...pick(object, 'Env', strings),
    ...pick(object, 'Entrypoint', strings),
    ...pick(object, 'Cmd', strings),
    ...pick(object, 'Volumes', set),
    ...pick(object, 'WorkingDir', stringOf),
    ...pick(object, 'Labels', stringMapOf),
    ...pick(object, 'StopSignal', stringOf),
    ...pick(object, 'StopTimeout', numberOf),
    ...pick(object, 'Healthcheck', parseHealthcheck),
    ...pick(object, 'Shell', strings),
    ...pick(object, 'OnBuild', strings),
    ...pick(object, 'ArgsEscaped', booleanOf),
  }
}

function parseHealthcheck(value: unknown, what: string): NonNullable<ContainerDefaults['Healthcheck']> {
  const object = objectOf(value, what)
  return {
    ...pick(object, 'Test', (list, at) => listOf(list, at, stringOf)),
    ...pick(object, 'Interval', numberOf),
    ...pick(object, 'Timeout', numberOf),
    ...pick(object, 'StartPeriod', numberOf),
    ...pick(object, 'StartInterval', numberOf),
    ...pick(object, 'Retries', numberOf),
  }
}

function parseHistory(value: unknown, what: string): HistoryEntry {
  const object = objectOf(value, what)
  return {
    ...pick(object, 'created', stringOf),
    ...pick(object, 'created_by', stringOf),
    ...pick(object, 'author', stringOf),
    ...pick(object, 'comment', stringOf),
    ...pick(object, 'empty_layer', booleanOf),
  }
}

function pick<K extends string, V>(
  object: JsonObject,
  key: K,
  parse: (value: unknown, what: string) => V,
): { [Key in K]?: V } {
  const value = optional(object[key], `image config ${key}`, parse)
  return (value === undefined ? {} : { [key]: value }) as { [Key in K]?: V }
}
