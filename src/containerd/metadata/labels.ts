// Labels and the field masks that updates come with.
import { Failure } from '../../base/failure.ts'

/** Of a label's name and value together, as in containerd. */
const LABEL_BYTES_MAX = 4096
const KEY_SHOWN_MAX = 64

/** Throws `invalid-argument` for one that is too long; `field` is what containerd calls the record's labels. */
export function checkLabels(field: string, labels: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(labels)) {
    const size = Buffer.byteLength(name) + Buffer.byteLength(value)
    if (size > LABEL_BYTES_MAX)
      throw new Failure(
        'invalid-argument',
        `${field}: label key and value length (${size} bytes) greater than maximum size (${LABEL_BYTES_MAX} bytes), key: ${name.slice(0, KEY_SHOWN_MAX)}: invalid argument`,
      )
  }
}

/** A label without a value is none, and is not kept. */
export function keptLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''))
}

/** Sets one label, or removes it where the update has no value for it. */
export function updateLabel(
  labels: Readonly<Record<string, string>>,
  name: string,
  value: string | undefined,
): Record<string, string> {
  const { [name]: _, ...others } = labels
  return value === undefined || value === '' ? others : { ...others, [name]: value }
}

/**
 * Applies an update's field mask: `whole` replaces what a path without a label's name says, and is all there is for an empty mask.
 * @param labelled updates one label per path `labels.<name>`.
 */
export function applyMask(
  paths: readonly string[],
  fields: Readonly<Record<string, () => void>>,
  labelled: (name: string) => void,
): void {
  for (const path of paths) {
    if (path.startsWith('labels.')) {
      labelled(path.slice('labels.'.length))
      continue
    }
    const apply = Object.hasOwn(fields, path) ? fields[path] : undefined
    if (apply === undefined)
      throw new Failure('invalid-argument', `cannot update ${JSON.stringify(path)} field: invalid argument`)
    apply()
  }
}
