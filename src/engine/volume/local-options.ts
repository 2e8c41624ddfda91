// The options of the local driver (`type`, `device`, `o`, `size`), checked in Docker's words.
import { Failure } from '../../base/failure.ts'
import type { VolumeOptions } from './volume.ts'

const KNOWN = ['type', 'o', 'device', 'size']
/** In the order in which what is missing is told. */
const NEEDS: readonly (readonly [option: string, needed: readonly string[]])[] = [
  ['device', ['type']],
  ['type', ['device']],
  ['o', ['device', 'type']],
]

/** Throws invalid-argument. No quota is kept, so none is promised. */
export function checkLocalOptions(options: VolumeOptions): void {
  for (const name of Object.keys(options)) if (!KNOWN.includes(name)) refuse(`invalid option: ${JSON.stringify(name)}`)
  if (options['type'] === 'cifs' && options['device']) checkShare(options['device'])
  const { size } = options
  if (size !== undefined && parseSize(size) > 0) refuse('quota size requested but no quota support')
  for (const [option, needed] of NEEDS)
    for (const other of needed)
      if (Object.hasOwn(options, option) && !Object.hasOwn(options, other))
        refuse(`missing required option: ${JSON.stringify(other)}`)
}

/** The volume is a file system that is mounted while somebody uses it; else it is a directory. */
export function needsMount(options: VolumeOptions | null): boolean {
  return Boolean(options?.['device'] || options?.['type'])
}

/** `//host/share`, where a port would be taken for a part of the name. */
function checkShare(device: string): void {
  if (/^[a-z]*:?\/\/[^/]*:\d+(?:\/|$)/i.test(device))
    refuse("port not allowed in CIFS device URL, include 'port' in 'o='")
}

const UNITS = 'bkmgtp'

/** As go-units' RAMInBytes: `10m`, `1.5 GiB`. */
function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?) ?([bkmgtp]?)i?b?$/i.exec(text) ?? []
  if (number === undefined) throw new Failure('invalid-argument', `invalid size: '${text}'`)
  return Math.floor(Number(number) * 1024 ** Math.max(0, UNITS.indexOf(unit.toLowerCase())))
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
