// How two lists of mounts are compared: by what an overlay wrote into its upper directory, or, where that is not all there is between them, as
// two whole trees. Nothing is mounted here, and nothing is ever mounted so that it could be written to.
import { realpathSync } from 'node:fs'
import type { Mount } from '../snapshots/snapshotter.ts'

export interface DiffPlan {
  lower: Mount[]
  upper: Mount[]
  /** `upper` is an overlay's upper directory, with attributes of this prefix of its own. */
  overlayPrefix: string | undefined
}

export function planDiff(left: readonly Mount[], right: readonly Mount[]): DiffPlan {
  const turned = turnedMaps(left, right)
  const [upper, ...below] = layersOf(turned.length > 0 ? right.map(withoutMaps) : right) ?? []
  const lowers = layersOf(left)
  if (upper !== undefined && right[0]?.type === 'overlay' && lowers !== undefined && areSame(lowers, below))
    return {
      lower: left.map(readOnly),
      upper: [{ type: 'bind', source: upper, options: [...turned, 'ro', 'rbind'] }],
      overlayPrefix: right[0].options.includes('userxattr') ? 'user.overlay.' : 'trusted.overlay.',
    }
  return planWholeDiff(left, right)
}

/**
 * An overlay for a user namespace, told against layers that are as they are: what it wrote has the host's ids, and a layer has an image's. So the map is
 * turned around for it. (Two overlays of one map are compared as they are seen.)
 */
function turnedMaps(left: readonly Mount[], right: readonly Mount[]): string[] {
  if (right[0]?.type !== 'overlay' || left.some(isMapped)) return []
  return right[0].options.filter((option) => MAP.test(option)).map(turned)
}

export function isTurned(left: readonly Mount[], right: readonly Mount[]): boolean {
  return turnedMaps(left, right).length > 0
}

const MAP = /^[ug]idmap=/

function isMapped({ options }: Mount): boolean {
  return options.some((option) => MAP.test(option))
}

function withoutMaps(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => !MAP.test(option)) }
}

function turned(option: string): string {
  return option.replace(/(\d+):(\d+):(\d+)/g, '$2:$1:$3')
}

/** For what only the kernel can read: an upper directory with renamed directories. */
export function planWholeDiff(left: readonly Mount[], right: readonly Mount[]): DiffPlan {
  const tree = (mount: Mount) => following(readOnly(mount))
  return { lower: left.map(tree), upper: right.map(tree), overlayPrefix: undefined }
}

/**
 * Whoever wrote to the upper directory had these on, or there is nothing to follow; they lead to other places of the same layers only. An
 * overlay with `userxattr` takes neither.
 */
function following(mount: Mount): Mount {
  if (mount.type !== 'overlay' || mount.options.includes('userxattr')) return mount
  const wanted = ['redirect_dir=follow', 'metacopy=on']
  const missing = wanted.filter((option) => optionOf(mount, option.slice(0, option.indexOf('='))) === undefined)
  return { ...mount, options: [...mount.options, ...missing] }
}

/** Directories, nearest first; undefined for what does not consist of directories as they are. */
function layersOf(mounts: readonly Mount[]): string[] | undefined {
  const [mount, ...others] = mounts
  if (mount === undefined) return []
  if (others.length > 0 || isMapped(mount)) return undefined
  if (mount.type === 'bind') return [mount.source]
  if (mount.type !== 'overlay') return undefined
  const upper = optionOf(mount, 'upperdir')
  const lowers = splitLayers(optionOf(mount, 'lowerdir') ?? '')
  return upper === undefined ? lowers : [upper, ...lowers]
}

/** One directory may go by two names: a long list of layers is given by short ones. */
function areSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((path, index) => path === b[index] || isSamePlace(path, b[index] ?? ''))
}

function isSamePlace(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b)
  } catch {
    return false // what is not there can't be mounted either, and the mount says so
  }
}

/** A second overlay must not work in an upper directory that is in use: its upper directory becomes the nearest layer. */
function readOnly(mount: Mount): Mount {
  const upper = optionOf(mount, 'upperdir')
  if (mount.type !== 'overlay' || upper === undefined)
    return { ...mount, options: [...mount.options.filter((option) => option !== 'rw'), 'ro'] }
  const others = mount.options.filter((option) => !/^(?:upperdir|workdir|lowerdir)=/.test(option))
  const lowers = optionOf(mount, 'lowerdir')
  if (lowers === undefined) return { ...mount, type: 'bind', source: upper, options: ['ro', 'rbind'] }
  return { ...mount, options: [`lowerdir=${escaped(upper)}:${lowers}`, ...others] }
}

/** The value of `key=…`. */
export function optionOf(mount: Mount, key: string): string | undefined {
  return mount.options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1)
}

/** A colon inside a path is escaped by a backslash (overlayfs.rst). */
export function splitLayers(list: string): string[] {
  return (list.match(/(?:\\.|[^:\\])+/g) ?? []).map((path) => path.replace(/\\(.)/g, '$1'))
}

function escaped(path: string): string {
  return path.replace(/[:\\]/g, '\\$&')
}
