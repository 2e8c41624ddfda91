// The kernel's twin for tests: records what it is asked and answers from a script. It touches nothing.
import type { Kernel } from './kernel.ts'

/** One recorded call: the method's name and its arguments. */
export type KernelCall = { [K in keyof Kernel]: readonly [name: K, ...args: Parameters<Kernel[K]>] }[keyof Kernel]

export interface RecordingKernel {
  kernel: Kernel
  /** All calls so far, oldest first. */
  calls: KernelCall[]
}

/** Calls that answer with a descriptor where the script says nothing: each a new number, from 1000 on. */
const OPENERS = new Set<string>([
  'mountDetached',
  'openTree',
  'openat2',
  'socket',
  'pidfdOpen',
  'memfdCreate',
] satisfies (keyof Kernel)[])

/** @param script what some methods answer or throw; it may look at the arguments. All others succeed. */
export function openRecordingKernel(script: Partial<Kernel> = {}): RecordingKernel {
  const calls: KernelCall[] = []
  let nextFd = 1000
  const answers = new Map<string, (...args: never[]) => unknown>(Object.entries(script))
  const kernel = new Proxy({} as Kernel, {
    get(_, name) {
      if (typeof name !== 'string') return undefined
      return (...args: never[]): unknown => {
        calls.push([name, ...args] as unknown as KernelCall)
        const answer = answers.get(name)
        if (answer !== undefined) return answer(...args)
        return OPENERS.has(name) ? nextFd++ : undefined
      }
    },
  })
  return { kernel, calls }
}
