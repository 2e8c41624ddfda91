// One mount as a user asks for it: `-v source:destination[:options]`, or an entry of `Mounts`. Checks are in moby's order and words.
import { posix } from 'node:path'
import type { Mount } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { cleanPath, type ContainerMount, type MountKind } from '../mounts/container-mount.ts'

export const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'] as const
const DEFAULT_PROPAGATION = 'rprivate'

/**
 * `volumeDriver` is for the volumes that the container names without one. Throws in Docker's words, and with its status: only what is in `Mounts` is
 * the client's fault.
 */
export function parseBind(text: string, volumeDriver = ''): ContainerMount {
  const parts = text.split(':')
  const [first = '', second = '', mode = ''] = parts
  if (first === '' || parts.length > 3) throw invalidSpec(text)
  // What looks like a mode in the destination's place: `/data:ro` has no source.
  if (parts.length === 2 && isBindMode(second)) throw invalidSpec(text)
  if (!isBindMode(mode)) throw new Failure('unknown', `invalid mode: ${mode}`)
  const [source, target] = parts.length === 1 ? ['', first] : [first, second]
  try {
    return { ...parseMount(requestOf(source, target, mode, volumeDriver)), mode }
  } catch (error) {
    if (error instanceof Failure) throw new Failure('unknown', `${invalidSpec(text).message}: ${error.message}`)
    throw error
  }
}

function requestOf(source: string, target: string, mode: string, volumeDriver: string): Mount {
  const options = mode.split(',')
  const type = source.startsWith('/') ? 'bind' : 'volume'
  const request: Mount = { Type: type, Source: source, Target: target, ReadOnly: options.includes('ro') }
  if (volumeDriver !== '' && type === 'volume') request.VolumeOptions = { DriverConfig: { Name: volumeDriver } }
  if (options.includes('nocopy')) request.VolumeOptions = { ...(request.VolumeOptions ?? {}), NoCopy: true }
  const propagation = PROPAGATIONS.find((name) => options.includes(name))
  if (propagation !== undefined) request.BindOptions = { Propagation: propagation }
  return request
}

/** Each group at most once; the order doesn't matter. */
export function isBindMode(mode: string): boolean {
  if (mode === '') return true
  const groups = [['ro', 'rw'], ['z', 'Z'], ['nocopy'], PROPAGATIONS, ['consistent', 'cached', 'delegated']]
  const used = new Set<number>()
  return mode.split(',').every((option) => {
    const group = groups.findIndex((names: readonly string[]) => names.includes(option))
    if (group < 0 || used.has(group)) return false
    used.add(group)
    return true
  })
}

function invalidSpec(text: string): Failure {
  return new Failure('unknown', `invalid volume specification: '${text}'`)
}

/** An entry of `Mounts`. Whether a bind's source is there is looked at elsewhere. Throws Failure('invalid-argument'). */
export function parseMount(mount: Mount): ContainerMount {
  const type = validateMount(mount)
  const source = mount.Source ?? ''
  return {
    type,
    name: type === 'volume' || type === 'image' ? source : '',
    driver: type === 'volume' ? (mount.VolumeOptions?.DriverConfig?.Name ?? '') : '',
    source: type === 'bind' ? cleanPath(source) : '',
    destination: cleanPath(mount.Target ?? ''),
    readWrite: type !== 'image' && mount.ReadOnly !== true,
    mode: '',
    propagation: type === 'bind' || type === 'image' ? mount.BindOptions?.Propagation || DEFAULT_PROPAGATION : '',
    copiesUp: type === 'volume' && mount.VolumeOptions?.NoCopy !== true,
    makesSource: false,
    spec: mount,
  }
}

const TMPFS_WORDS = ['exec', 'noexec']

type Refuse = (reason: string) => never

/** Throws Failure('invalid-argument'); answers the type. */
export function validateMount(mount: Mount): MountKind {
  const refuse: Refuse = (reason) => {
    throw new Failure(
      'invalid-argument',
      `invalid mount config for type ${JSON.stringify(mount.Type ?? '')}: ${reason}`,
    )
  }
  const target = mount.Target ?? ''
  if (target === '') refuse('field Target must not be empty')
  if (posix.normalize(target).replace(/\/+$/, '') === '') refuse("invalid specification: destination can't be '/'")
  checkAbsolute(target, refuse)
  switch (mount.Type) {
    case 'bind':
      checkBind(mount, refuse)
      return 'bind'
    case 'volume':
      checkVolume(mount, refuse)
      return 'volume'
    case 'tmpfs':
      refuseFields(mount, ['BindOptions', 'ImageOptions'], refuse)
      if (mount.Source) refuse('field Source must not be specified')
      for (const option of mount.TmpfsOptions?.Options ?? []) checkTmpfsOption(option, refuse)
      return 'tmpfs'
    case 'image':
      refuseFields(mount, ['BindOptions', 'VolumeOptions'], refuse)
      if (!mount.Source) refuse('field Source must not be empty')
      checkSubpath(mount.ImageOptions?.Subpath, refuse)
      return 'image'
    default:
      return refuse('mount type unknown')
  }
}

function checkBind(mount: Mount, refuse: Refuse): void {
  const { Source: source = '', BindOptions: options } = mount
  if (source === '') refuse('field Source must not be empty')
  const propagation = options?.Propagation ?? ''
  if (propagation !== '' && !PROPAGATIONS.some((name) => name === propagation))
    refuse(`invalid propagation mode: ${propagation}`)
  refuseFields(mount, ['VolumeOptions', 'ImageOptions'], refuse)
  checkAbsolute(source, refuse)
}

function checkVolume(mount: Mount, refuse: Refuse): void {
  refuseFields(mount, ['BindOptions', 'ImageOptions'], refuse)
  const isAnonymous = !mount.Source
  if (mount.VolumeOptions?.Subpath && isAnonymous) refuse('must not set Subpath when using anonymous volumes')
  checkSubpath(mount.VolumeOptions?.Subpath, refuse)
  if (mount.ReadOnly === true && isAnonymous) refuse('must not set ReadOnly mode when using anonymous volumes')
}

function refuseFields(mount: Mount, fields: readonly (keyof Mount)[], refuse: Refuse): void {
  const extra = fields.find((field) => mount[field] != null)
  if (extra !== undefined) refuse(`field ${extra} must not be specified`)
}

function checkAbsolute(path: string, refuse: Refuse): void {
  if (!path.startsWith('/')) refuse(`invalid mount path: '${path}' mount path must be absolute`)
}

/** As Go's filepath.IsLocal: by its letters alone it leads nowhere outside. */
function checkSubpath(path: string | undefined, refuse: Refuse): void {
  if (!path) return
  const clean = posix.normalize(path)
  if (path.startsWith('/') || clean === '..' || clean.startsWith('../'))
    refuse('subpath must be a relative path within the volume')
}

function checkTmpfsOption(option: readonly string[], refuse: Refuse): void {
  const [name = ''] = option
  if (option.length < 1 || option.length > 2) refuse('invalid option array length')
  if (!TMPFS_WORDS.includes(name)) refuse(`invalid option: ${name}`)
}
