// `-v source:destination[:options]`, and the mounts of a container apart from volumes that the engine makes.
import { posix } from 'node:path'
import type { HostConfig, Mount } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'

export const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'] as const
export type Propagation = (typeof PROPAGATIONS)[number]

export interface ParsedBind {
  kind: 'bind' | 'volume'
  /** Host path, or the volume's name. */
  source: string
  destination: string
  readWrite: boolean
  /** Empty means the default of the kind. */
  propagation: Propagation | ''
  noCopy: boolean
  /** As given. */
  mode: string
}

const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/

/** Throws Failure('invalid-argument') in Docker's words. */
export function parseBind(text: string): ParsedBind {
  const parts = text.split(':')
  const [source = '', target = '', mode = ''] = parts
  if (parts.length < 2 || parts.length > 3 || source === '' || target === '') throw invalidSpec(text)
  if (parts.length === 3 && !isBindMode(mode)) throw new Failure('invalid-argument', `invalid mode: ${mode}`)
  const kind = source.startsWith('/') ? 'bind' : 'volume'
  const options = mode.split(',')
  const propagation = PROPAGATIONS.find((name) => options.includes(name)) ?? ''
  if (kind === 'volume' && !VOLUME_NAME.test(source))
    throw new Failure(
      'invalid-argument',
      `create ${source}: ${JSON.stringify(source)} includes invalid characters for a local volume name, only ` +
        '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path',
    )
  if (kind === 'bind' ? options.includes('nocopy') : propagation !== '')
    throw new Failure('invalid-argument', `invalid mode: ${mode}`)
  const destination = cleanDestination(target, text)
  return {
    kind,
    source: kind === 'bind' ? posix.normalize(source).replace(/(?<=.)\/$/, '') : source,
    destination,
    readWrite: !options.includes('ro'),
    propagation,
    noCopy: options.includes('nocopy'),
    mode,
  }
}

function cleanDestination(target: string, text: string): string {
  if (!target.startsWith('/'))
    throw new Failure(
      'invalid-argument',
      `invalid volume specification: '${text}': invalid mount path: '${target}' mount path must be absolute`,
    )
  const clean = posix.normalize(target).replace(/(?<=.)\/$/, '')
  if (clean === '/')
    throw new Failure(
      'invalid-argument',
      `invalid volume specification: '${text}': invalid specification: destination can't be '/'`,
    )
  return clean
}

/** Each group at most once; the order doesn't matter. */
export function isBindMode(mode: string): boolean {
  const groups = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], PROPAGATIONS, ['consistent', 'cached', 'delegated', 'default']]
  const used = new Set<number>()
  return mode.split(',').every((option) => {
    const group = groups.findIndex((names: readonly string[]) => names.includes(option))
    if (group < 0 || used.has(group)) return false
    used.add(group)
    return true
  })
}

function invalidSpec(text: string): Failure {
  return new Failure('invalid-argument', `invalid volume specification: '${text}'`)
}

/** Checks one entry of `Mounts` as it comes in a request. Throws Failure('invalid-argument') in Docker's words. */
export function validateMount(mount: Mount): void {
  const type = mount.Type ?? ''
  const refuse = (reason: string): never => {
    throw new Failure('invalid-argument', `invalid mount config for type "${type}": ${reason}`)
  }
  if (!mount.Target) refuse('field Target must not be empty')
  const target = mount.Target ?? ''
  if (!target.startsWith('/')) refuse(`invalid mount path: '${target}' mount path must be absolute`)
  if (posix.normalize(target).replace(/\/+$/, '') === '') refuse("invalid specification: destination can't be '/'")
  const foreign = ([kind, field]: readonly [string, keyof Mount]): boolean => kind !== type && mount[field] != null
  const options = [
    ['bind', 'BindOptions'],
    ['volume', 'VolumeOptions'],
    ['tmpfs', 'TmpfsOptions'],
    ['image', 'ImageOptions'],
  ] as const
  switch (type) {
    case 'bind': {
      if (!mount.Source) refuse('field Source must not be empty')
      if (!mount.Source?.startsWith('/')) refuse(`invalid mount path: '${mount.Source}' mount path must be absolute`)
      const propagation = mount.BindOptions?.Propagation ?? ''
      if (propagation !== '' && !PROPAGATIONS.some((name) => name === propagation))
        refuse(`invalid propagation mode: ${propagation}`)
      break
    }
    case 'volume':
      if (mount.Source && !VOLUME_NAME.test(mount.Source)) refuse(`invalid volume name: ${mount.Source}`)
      if (!mount.Source && mount.VolumeOptions?.Subpath) refuse('must not set Subpath when using anonymous volumes')
      break
    case 'tmpfs':
      if (mount.Source) refuse('field Source must not be specified')
      break
    case 'image':
      if (!mount.Source) refuse('field Source must not be empty')
      break
    default:
      refuse('mount type unknown')
  }
  const extra = options.find(foreign)
  if (extra !== undefined) refuse(`field ${extra[1]} must not be specified`)
}

/** Every `Binds` and `Mounts` entry is well formed, and no two go to the same place. */
export function validateMounts(hostConfig: HostConfig): void {
  const destinations = new Set<string>()
  const take = (destination: string): void => {
    if (destinations.has(destination)) throw new Failure('invalid-argument', `Duplicate mount point: ${destination}`)
    destinations.add(destination)
  }
  for (const text of hostConfig.Binds ?? []) take(parseBind(text).destination)
  for (const mount of hostConfig.Mounts ?? []) {
    validateMount(mount)
    take(posix.normalize(mount.Target ?? '').replace(/(?<=.)\/$/, ''))
  }
  for (const target of Object.keys(hostConfig.Tmpfs ?? {})) {
    if (posix.normalize(target) === '/')
      throw new Failure('invalid-argument', "invalid tmpfs path: destination can't be '/'")
    take(posix.normalize(target).replace(/(?<=.)\/$/, ''))
  }
}
