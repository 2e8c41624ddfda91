// Where offers come from: the engine's objects, the contexts, this process's environment.
import type { Shell } from '../command.ts'
import type { FlagValues } from '../flags.ts'
import { DIRECTIVE, FAILED, FILES, NOTHING, offer, type Offers, offerParts } from './offer.ts'

/** What a source may look at. */
export interface Typing {
  shell: Shell
  /** Arguments before the word. */
  args: readonly string[]
  flags: FlagValues
  /** The word as far as it has been typed; of `--flag=value` the value. */
  word: string
}

export type Source = (typing: Typing) => Promise<Offers> | Offers

export const files: Source = () => FILES
export const nothing: Source = () => NOTHING
export const oneOf =
  (...words: string[]): Source =>
  () =>
    offer(words)
export const partOf =
  (...words: string[]): Source =>
  () =>
    offerParts(words)

/** An engine that does not answer offers nothing, and the shell does not put files in its place. */
const asking =
  (ask: (typing: Typing) => Promise<string[]>): Source =>
  async (typing) => {
    try {
      return offer(await ask(typing))
    } catch {
      return FAILED
    }
  }

type ContainerFilter = (state: string, flags: FlagValues) => boolean

export async function containerNames(shell: Shell, all: boolean, isWanted: (state: string) => boolean = () => true) {
  const list = await shell.connection.json<{ Id: string; Names: string[] | null; State: string }[]>({
    ...{ method: 'GET', path: '/containers/json', query: { all: all || undefined } },
  })
  const showsIds = shell.env['DOCKER_COMPLETION_SHOW_CONTAINER_IDS'] === 'yes'
  return list
    .filter(({ State }) => isWanted(State))
    .flatMap(({ Id, Names }) => [...(showsIds ? [Id] : []), ...(Names ?? []).map((name) => name.replace(/^\//, ''))])
}

export const containers = (all: boolean, isWanted: ContainerFilter = () => true): Source =>
  asking(({ shell, flags }) => containerNames(shell, all, (state) => isWanted(state, flags)))

export async function imageNames(shell: Shell): Promise<string[]> {
  const list = await shell.connection.json<{ RepoTags: string[] | null }[]>({ method: 'GET', path: '/images/json' })
  return list.flatMap(({ RepoTags }) => RepoTags ?? [])
}

/** @param limit that many arguments can be images. */
export const images = (limit = Number.POSITIVE_INFINITY): Source => {
  const ask = asking(({ shell }) => imageNames(shell))
  return (typing) => (typing.args.length >= limit ? NOTHING : ask(typing))
}

export async function volumeNames(shell: Shell): Promise<string[]> {
  const { Volumes } = await shell.connection.json<{ Volumes: { Name: string }[] | null }>({
    ...{ method: 'GET', path: '/volumes' },
  })
  return (Volumes ?? []).map(({ Name }) => Name)
}

export async function networkNames(shell: Shell): Promise<string[]> {
  const list = await shell.connection.json<{ Name: string }[]>({ method: 'GET', path: '/networks' })
  return list.map(({ Name }) => Name)
}

export const volumes: Source = asking(({ shell }) => volumeNames(shell))
export const networks: Source = asking(({ shell }) => networkNames(shell))

/** Drivers of a kind that the engine has; `builtIn` where it cannot be asked. */
export const drivers =
  (kind: 'Log' | 'Volume', builtIn: readonly string[]): Source =>
  async ({ shell }) => {
    try {
      const info = await shell.connection.json<{ Plugins: Record<string, string[] | null> }>({
        ...{ method: 'GET', path: '/info' },
      })
      return offer(info.Plugins[kind] ?? [])
    } catch {
      return offer(builtIn)
    }
  }

/** @param limit that many arguments are contexts; `then` what comes after them. */
export const contexts =
  (limit = Number.POSITIVE_INFINITY, then: Offers = NOTHING): Source =>
  async ({ shell, args }) => {
    if (args.length >= limit) return then
    const { ContextStore } = await import('../contexts/context-store.ts')
    const names = new ContextStore(shell).list().map(({ Name }) => Name)
    const left = names.filter((name) => !args.includes(name))
    return offer(left.map((name) => (name === shell.context ? `${name}\tcurrent` : name)))
  }

/** For the flag before the command. */
export const contextNames: Source = async ({ shell }) => {
  const { ContextStore } = await import('../contexts/context-store.ts')
  return offer(new ContextStore(shell).list().map(({ Name }) => Name))
}

/** Names alone: values may be secrets. */
export const environment: Source = ({ shell }) => offer(Object.keys(shell.env))

/** `container:NAME` beside fixed words. */
export const namespaces = (...words: string[]): Source => {
  return async ({ shell, word }) => {
    if (word !== '' && 'container'.startsWith(word)) return offerParts(['container:'])
    if (!word.startsWith('container:')) return offer(['container:', ...words])
    const names = await containerNames(shell, true).catch(() => [])
    return offer(names.map((name) => `container:${name}`))
  }
}

/** `key=` first, then what `values` has for the key. */
export const pairs = (values: Readonly<Record<string, (shell: Shell) => Promise<string[]> | string[]>>): Source => {
  const keys = Object.keys(values).map((key) => `${key}=`)
  return async ({ shell, word }) => {
    const equals = word.indexOf('=')
    const key = word.slice(0, Math.max(equals, 0))
    const list = Object.hasOwn(values, key) ? values[key] : undefined
    if (equals < 0) return offerParts(keys)
    if (list === undefined) return { words: keys, directive: DIRECTIVE.noSpace | DIRECTIVE.noFiles }
    const found = await Promise.resolve(list(shell)).catch(() => [])
    return offer(found.map((value) => `${key}=${value}`))
  }
}
