// In which order containers are started together: those that others lean on come first.
import type { ContainerStore } from './container-store.ts'
import type { Container } from './container.ts'

/** One round after the other; the containers of one are in no order. Who leans on somebody that is not among them waits for nobody. */
export function startRounds(
  store: Pick<ContainerStore, 'find' | 'links'>,
  containers: readonly Container[],
): Container[][] {
  const among = new Set(containers)
  const rounds: Container[][] = []
  let left = [...among]
  while (left.length > 0) {
    const waiting = new Set(left)
    const ready = left.filter((each) => !supportsOf(store, each).some((other) => other !== each && waiting.has(other)))
    const round = ready.length > 0 ? ready : left // they lean on each other
    rounds.push(round)
    left = left.filter((each) => !round.includes(each))
  }
  return rounds
}

/** Whose namespaces it shares, and whom it is linked to. */
function supportsOf(store: Pick<ContainerStore, 'find' | 'links'>, container: Container): Container[] {
  const { NetworkMode, PidMode, IpcMode } = container.record.hostConfig
  const owners = [NetworkMode, PidMode, IpcMode].flatMap((mode) => {
    const [, name] = /^container:(.+)$/.exec(mode ?? '') ?? []
    return name === undefined ? [] : [find(store, name)]
  })
  return [...owners, ...store.links.childrenOf(container).values()].filter((other) => other !== undefined)
}

/** The start itself says what is wrong with a name. */
function find(store: Pick<ContainerStore, 'find'>, name: string): Container | undefined {
  try {
    return store.find(name)
  } catch {
    return undefined // several have ids that begin like this
  }
}
