// node:test for files whose tests all drive ctr 2.x: where it can't be built, they are left out.
import * as node from 'node:test'
import { skipWithoutContainerdTwo } from './containerd-two.ts'

const skip = await skipWithoutContainerdTwo()
const nothing = (): void => {}

export const before = skip === false ? node.before : nothing
export const after = skip === false ? node.after : nothing

/** With options or without. */
export function test(name: string, ...rest: [Body] | [node.TestOptions, Body]): void {
  const [options, body] = rest.length === 2 ? rest : [{}, rest[0]]
  void node.test(name, skip === false ? options : { ...options, skip }, body)
}

type Body = (t: node.TestContext) => Promise<void> | void
