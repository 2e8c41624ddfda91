// Names of units, and where systemd puts their groups (systemd.unit(5), systemd.slice(5)). Pure.
import { Failure } from '../../../base/failure.ts'

export interface UnitPlace {
  /** `docker-abc.scope`; a slice where the spec's name is one. */
  unit: string
  slice: string
  /** The unit's group, below the manager's: `/system.slice/docker-abc.scope`. */
  path: string
}

/** @param cgroupsPath `slice:prefix:name`, or '' for `runc-<id>.scope` in the default slice */
export function placeUnit(cgroupsPath: string, id: string, isUser: boolean): UnitPlace {
  const parts = cgroupsPath === '' ? ['', 'runc', id] : cgroupsPath.split(':')
  const [slicePart = '', prefix = '', name = ''] = parts
  if (parts.length !== 3)
    throw new Failure(
      'invalid-argument',
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
    )
  const slice = slicePart === '' ? (isUser ? 'user.slice' : 'system.slice') : slicePart
  const unit = name.endsWith('.slice') ? name : `${prefix}-${name}.scope`
  // What systemd itself takes for a name; above all no slash, since it becomes a directory's name.
  if (!/^[\w:.\\@-]{1,255}$/.test(unit))
    throw new Failure('invalid-argument', `linux.cgroupsPath: ${JSON.stringify(unit)} is not a valid unit name`)
  return { unit, slice, path: `${expandSlice(slice).replace(/^\/$/, '')}/${unit}` }
}

/** A dash is one level down: `a-b.slice` is in `/a.slice/a-b.slice`. */
export function expandSlice(slice: string): string {
  const name = slice.slice(0, -'.slice'.length)
  if (name === '-' && slice === '-.slice') return '/'
  const parts = name.split('-')
  if (!slice.endsWith('.slice') || slice.includes('/') || slice.includes('\0') || parts.includes(''))
    throw new Failure('invalid-argument', `invalid slice name: ${slice}`)
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('')
}

export function isSlice(unit: string): boolean {
  return unit.endsWith('.slice')
}
