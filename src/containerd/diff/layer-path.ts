// Where an archive's entry lies in its layer, and what its name says to overlayfs (image-spec layer.md, "Whiteouts").
import { Failure } from '../../base/failure.ts'
import { type ByteString, displayName } from '../../wire/tar/entry.ts'

/** An absolute path in the layer, without `.`, `..` or empty parts. */
export type LayerPath = ByteString

/** Cleans a name as text, before any symlink is looked at: `../../etc//passwd` is `/etc/passwd`. */
export function layerPath(name: ByteString): LayerPath {
  if (isClean(name)) return `/${name}`
  const parts: ByteString[] = []
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part === '..') parts.pop()
    else parts.push(part)
  }
  return `/${parts.join('/')}`
}

function isClean(name: ByteString): boolean {
  return name !== '' && !/(?:^|\/)\.{0,2}(?:\/|$)/.test(name)
}

export function parentOf(path: LayerPath): LayerPath {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

/** For Node's fs, which takes a string for text and a Buffer for anything else. */
export function fsPath(path: ByteString): string | Buffer {
  return /^[\x01-\x7f]*$/.test(path) ? path : Buffer.from(path, 'latin1')
}

/** For messages: a hostile path is as long as its maker likes. */
export function shortened(path: string): string {
  return path.length <= 200 ? path : `${path.slice(0, 100)}…${path.slice(-100)}`
}

export type Whiteout =
  /** Hides this path of the layers below. */
  | { kind: 'hide'; path: LayerPath }
  /** Hides everything that the layers below have in this directory. */
  | { kind: 'opaque'; directory: LayerPath }
  /** AUFS bookkeeping that means nothing here. */
  | { kind: 'ignore' }

const PREFIX = '.wh.'

/** Undefined for an ordinary entry. Throws Failure('invalid-argument') for a whiteout of `.`, `..` or nothing. */
export function parseWhiteout(path: LayerPath): Whiteout | undefined {
  const slash = path.lastIndexOf('/')
  if (!path.startsWith(PREFIX, slash + 1)) return undefined
  const base = path.slice(slash + 1)
  const directory = parentOf(path)
  if (base === '.wh..wh..opq') return { kind: 'opaque', directory }
  if (base.startsWith('.wh..wh.')) return { kind: 'ignore' }
  const hidden = base.slice(PREFIX.length)
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw new Failure('invalid-argument', `invalid whiteout name: ${displayName(base)}`)
  return { kind: 'hide', path: directory === '/' ? `/${hidden}` : `${directory}/${hidden}` }
}
