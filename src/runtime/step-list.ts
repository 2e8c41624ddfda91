// Steps and their sentences, kept index for index while a plan grows.
import type { Step } from '../linux/steps.ts'

export class StepList {
  readonly steps: Step[] = []
  readonly sentences: string[] = []

  add(sentence: string, step: Step): void {
    this.steps.push(step)
    this.sentences.push(sentence)
  }
}

/** Which register of the child holds what while the container is set up; from `early` up to `end` it is sources opened before the tree is cut off. */
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
  early: 32,
  end: 249,
} as const

/** Go's %q, which runc's sentences quote with. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/** (gid_t)-1: a terminal stays with the group that devpts gave it (tty), as others may write to it through that. */
export const KEEP_GROUP = 2 ** 32 - 1
