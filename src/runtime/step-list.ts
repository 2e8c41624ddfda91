// Steps and their sentences, kept index for index while a plan grows.
import { Failure } from '../base/failure.ts'
import type { Slot, Step } from '../linux/steps.ts'

/** Which register of the child holds what while the container is set up; those from `first` up to `end` are handed out by `newSlot`. */
export const SLOT = {
  rootfs: 0,
  target: 1,
  source: 2,
  devpts: 3,
  dev: 4,
  null: 5,
  empty: 6,
  proc: 7,
  console: 8,
  parent: 9,
  fifo: 10,
  status: 11,
  consoleSocket: 12,
  marker: 13,
  idMap: 14,
  procfs: 15,
  sysfs: 16,
  first: 32,
  end: 249,
} as const

export class StepList {
  readonly steps: Step[] = []
  readonly sentences: string[] = []
  readonly warnings: string[] = []
  /** Mounts by their place, whose slot still holds them when paths in them are hidden. */
  readonly mounted = new Map<string, Slot>()
  #nextSlot: Slot = SLOT.first

  add(sentence: string, step: Step): void {
    this.steps.push(step)
    this.sentences.push(sentence)
  }

  /** What the spec asks for and does not get, once. */
  warn(text: string): void {
    if (!this.warnings.includes(text)) this.warnings.push(text)
  }

  /** For what must be kept while others of its kind come. @param what names the field in the failure, where there are none left. */
  newSlot(what: string): Slot {
    if (this.#nextSlot >= SLOT.end)
      throw new Failure('invalid-argument', `${what}: more than ${SLOT.end - SLOT.first} of them at once`)
    return this.#nextSlot++
  }
}

/** Go's %q, which runc's sentences quote with. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/** (gid_t)-1: a terminal stays with the group that devpts gave it (tty), as others may write to it through that. */
export const KEEP_GROUP = 2 ** 32 - 1
