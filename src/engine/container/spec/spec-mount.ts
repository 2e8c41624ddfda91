// One mount of a container in the terms of a runtime spec.
import { Failure } from '../../../base/failure.ts'
import type { ContainerMount } from '../mounts/container-mount.ts'
import type { SpecMount } from './spec-input.ts'

export interface BindFacts {
  /** Why what is mounted below a read-only bind stays writable; undefined where the runtime sees to that. */
  whyNotRecursive: string | undefined
  /** It hears nothing of the host's mounts, whatever its options say. */
  isAlone: boolean
}

/** Throws Failure where its options contradict each other or can't be had. */
export function bindMount(mount: ContainerMount, source: string, facts: BindFacts): SpecMount {
  const options = mount.type === 'bind' ? (mount.spec.BindOptions ?? {}) : {}
  checkReadOnly(mount.spec.ReadOnly === true || !mount.readWrite, options)
  const flags = [options.NonRecursive === true ? 'bind' : 'rbind']
  if (!mount.readWrite) flags.push(readOnlyWord(options, facts))
  if (mount.propagation !== '') flags.push(mount.propagation)
  return {
    ...{ kind: 'bind', source, destination: mount.destination, options: flags },
    ...(facts.isAlone ? {} : rootPropagation(mount.propagation)),
  }
}

type BindOptions = NonNullable<NonNullable<ContainerMount['spec']['BindOptions']>>

function checkReadOnly(isReadOnly: boolean, options: BindOptions): void {
  const { ReadOnlyNonRecursive: isLoose = false, ReadOnlyForceRecursive: isForced = false } = options
  const conflict = (what: string) => new Failure('unknown', `mount options conflict: ${what}`)
  if (!isReadOnly && isLoose) throw conflict('!ReadOnly && BindOptions.ReadOnlyNonRecursive')
  if (!isReadOnly && isForced) throw conflict('!ReadOnly && BindOptions.ReadOnlyForceRecursive')
  if (isLoose && isForced) throw conflict('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive')
}

function readOnlyWord(options: BindOptions, { whyNotRecursive }: BindFacts): 'ro' | 'rro' {
  if (options.ReadOnlyNonRecursive === true) return 'ro'
  if (whyNotRecursive === undefined) return 'rro'
  if (options.ReadOnlyForceRecursive === true) throw new Failure('unknown', whyNotRecursive)
  return 'ro'
}

/** Mount events can only travel through a root file system that lets them. */
function rootPropagation(propagation: string): { rootPropagation?: 'shared' | 'rslave' } {
  if (propagation.endsWith('shared')) return { rootPropagation: 'shared' }
  return propagation.endsWith('slave') ? { rootPropagation: 'rslave' } : {}
}

export function tmpfsMount(mount: ContainerMount): SpecMount {
  const { SizeBytes: size = 0, Mode: mode = 0, Options: more } = mount.spec.TmpfsOptions ?? {}
  const options = [
    ...(mount.readWrite ? [] : ['ro']),
    ...(mode === 0 ? [] : [`mode=${mode.toString(8)}`]),
    ...(size === 0 ? [] : [`size=${formatSize(size)}`]),
    ...(more ?? []).map((pair) => pair.join('=')),
  ]
  return { kind: 'tmpfs', destination: mount.destination, options }
}

/** `64k` for 65536: the largest unit that divides it. */
function formatSize(bytes: number): string {
  for (const [unit, suffix] of [
    [2 ** 30, 'g'],
    [2 ** 20, 'm'],
    [2 ** 10, 'k'],
  ] as const)
    if (bytes % unit === 0) return `${bytes / unit}${suffix}`
  return String(bytes)
}
