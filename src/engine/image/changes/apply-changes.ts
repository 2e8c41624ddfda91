// `--change` of commit and import: Dockerfile instructions that change an image's configuration and nothing else.
import { posix } from 'node:path'
import type { ContainerConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { parsePortSpecs } from './parse-port-specs.ts'
import { parseSignal } from '../../container/signals.ts'
import { parseHealthcheck } from './parse-healthcheck.ts'
import { expandWord, splitWords } from './split-words.ts'

const CHANGES_BYTES_MAX = 1024 * 1024
const DEFAULT_SHELL = ['/bin/sh', '-c']

interface Draft {
  config: ContainerConfig
  /** A CMD stood among the instructions: an ENTRYPOINT does away with the one that was there before. */
  hasCommand: boolean
}

type Apply = (draft: Draft, rest: string, name: string) => void

const INSTRUCTIONS: Readonly<Record<string, Apply>> = {
  cmd: (draft, rest, name) => {
    draft.config.Cmd = commandOf(draft, rest, name)
    draft.hasCommand = true
  },
  entrypoint: (draft, rest, name) => {
    draft.config.Entrypoint = commandOf(draft, rest, name)
    if (!draft.hasCommand) draft.config.Cmd = null
  },
  env: ({ config }, rest, name) => {
    for (const [key, value] of pairsOf(config, rest, name)) {
      const others = (config.Env ?? []).filter((text) => nameOf(text) !== key)
      const at = (config.Env ?? []).findIndex((text) => nameOf(text) === key)
      others.splice(at < 0 ? others.length : at, 0, `${key}=${value}`)
      config.Env = others
    }
  },
  expose: ({ config }, rest, name) => {
    const words = splitWords(rest).flatMap((word) => splitWords(expandWord(word, variablesOf(config))))
    requireSome(words, name)
    config.ExposedPorts = {
      ...config.ExposedPorts,
      ...Object.fromEntries(parsePortSpecs(words).map((port) => [port, {}])),
    }
  },
  healthcheck: ({ config }, rest) => {
    config.Healthcheck = parseHealthcheck(rest, (text) => jsonWords(text))
  },
  label: ({ config }, rest, name) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf(config, rest, name)) }
  },
  onbuild: ({ config }, rest, name) => {
    const trigger = /^\S+/.exec(rest)?.[0]?.toUpperCase()
    if (trigger === undefined) throw atLeastOne(name)
    if (trigger === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if (trigger === 'FROM' || trigger === 'MAINTAINER') throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`)
    config.OnBuild = [...(config.OnBuild ?? []), rest]
  },
  stopsignal: ({ config }, rest, name) => {
    const signal = onlyWord(config, rest, name)
    parseSignal(signal)
    config.StopSignal = signal
  },
  user: ({ config }, rest, name) => {
    config.User = onlyWord(config, rest, name)
  },
  volume: ({ config }, rest, name) => {
    const words = jsonWords(rest) ?? splitWords(rest)
    requireSome(words, name)
    const paths = words.map((word) => expandWord(word, variablesOf(config)))
    if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string')
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) }
  },
  workdir: ({ config }, rest, name) => {
    const path = onlyWord(config, rest, name)
    if (path === '') throw invalid('cannot normalize nothing')
    config.WorkingDir = posix.resolve('/', config.WorkingDir ?? '', path)
  },
}

/** A new configuration; several changes may stand in one text, a line each. Throws Failure('invalid-argument') in Docker's words. */
export function applyChanges(config: ContainerConfig, changes: readonly string[]): ContainerConfig {
  const text = changes.join('\n')
  if (text.length > CHANGES_BYTES_MAX) throw invalid('dockerfile line greater than max allowed size of 65535')
  const lines = instructionsIn(text)
  if (changes.length > 0 && lines.length === 0) throw invalid('file with no instructions')
  for (const { name } of lines)
    if (!Object.hasOwn(INSTRUCTIONS, name.toLowerCase())) throw invalid(`${name} is not a valid change command`)
  const draft: Draft = { config: { ...config }, hasCommand: false }
  for (const { name, rest } of lines) INSTRUCTIONS[name.toLowerCase()]?.(draft, rest, name.toUpperCase())
  return draft.config
}

function instructionsIn(text: string): { name: string; rest: string }[] {
  const found: { name: string; rest: string }[] = []
  let held = ''
  for (const line of text.split('\n')) {
    if (/^\s*#/.test(line) || (held === '' && line.trim() === '')) continue
    const continued = /^(.*)\\[ \t]*$/.exec(line)
    held += continued?.[1] ?? line
    if (continued !== null) continue
    push(found, held)
    held = ''
  }
  push(found, held)
  return found
}

function push(found: { name: string; rest: string }[], line: string): void {
  const text = line.trim()
  const name = /^\S+/.exec(text)?.[0]
  if (name !== undefined) found.push({ name, rest: text.slice(name.length).trim() })
}

/** The exec form is a JSON list; anything else is for a shell. */
function commandOf({ config }: Draft, rest: string, name: string): string[] {
  if (rest === '') throw atLeastOne(name)
  return jsonWords(rest) ?? [...(config.Shell?.length ? config.Shell : DEFAULT_SHELL), rest]
}

function jsonWords(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    return Array.isArray(parsed) && parsed.every((word) => typeof word === 'string') ? parsed : undefined
  } catch {
    return undefined // as in Docker, it is a word for the shell then
  }
}

/** `name=value …`, or `name value` in the old form. */
function pairsOf(config: ContainerConfig, rest: string, name: string): [string, string][] {
  const words = splitWords(rest)
  const [first] = words
  if (first === undefined) throw atLeastOne(name)
  const variables = variablesOf(config)
  if (!first.includes('=')) {
    const value = rest.slice(first.length).trim()
    if (value === '') throw invalid(`${name} must have two arguments`)
    return [[expandWord(first, variables), expandWord(value, variables)]]
  }
  return words.map((word) => {
    const equals = word.indexOf('=')
    if (equals < 0)
      throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`)
    const key = expandWord(word.slice(0, equals), variables)
    if (key === '') throw invalid(`${name} names can not be blank`)
    return [key, expandWord(word.slice(equals + 1), variables)]
  })
}

function onlyWord(config: ContainerConfig, rest: string, name: string): string {
  if (rest === '') throw invalid(`${name} requires exactly one argument`)
  return expandWord(rest, variablesOf(config))
}

function variablesOf(config: ContainerConfig): Map<string, string> {
  return new Map((config.Env ?? []).map((text) => [nameOf(text), text.slice(nameOf(text).length + 1)]))
}

function nameOf(variable: string): string {
  return variable.split('=', 1)[0] ?? ''
}

function requireSome(words: readonly string[], name: string): void {
  if (words.length === 0) throw atLeastOne(name)
}

function atLeastOne(name: string): Failure {
  return invalid(`${name} requires at least one argument`)
}

function invalid(text: string): Failure {
  return new Failure('invalid-argument', text)
}
