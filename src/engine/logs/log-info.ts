// What logging drivers know of a container: the fields of `--log-opt tag` and the attributes of `labels`, `env` and their patterns.
import { hostname } from 'node:os'
import { isFailure } from '../../base/failure.ts'
import { sortKeys } from '../../base/go/go-json.ts'
import { renderTemplate } from '../../base/go/template.ts'
import { shortId } from '../../base/ids.ts'
import { compileLinearPattern } from '../../base/linear-pattern.ts'
import type { ContainerRecord } from '../container/container.ts'
import { invalid } from './go-values.ts'

export type LogOptions = Readonly<Record<string, string>>

/** The record's part that matters here; tests make their own. */
export type LoggedContainer = Pick<
  ContainerRecord,
  'id' | 'name' | 'createdAt' | 'image' | 'path' | 'args' | 'config'
> & {
  hostConfig: Pick<ContainerRecord['hostConfig'], 'LogConfig'>
}

/** What forwarding drivers tag with where nobody says otherwise. */
export const DEFAULT_TAG = '{{.ID}}'
const TAG_LENGTH_MAX = 4096

export function logOptions(record: LoggedContainer): LogOptions {
  return record.hostConfig.LogConfig?.Config ?? {}
}

/** The entry point and its arguments. */
export function commandOf(record: LoggedContainer): string {
  return [record.path, ...record.args].join(' ')
}

/** The option `tag`, or `fallback`, with its fields filled in. Throws invalid-argument in the words of Go's templates. */
export function expandTag(record: LoggedContainer, fallback: string): string {
  const template = logOptions(record)['tag'] || fallback
  if (!template.includes('{{')) return template
  if (template.length > TAG_LENGTH_MAX) throw invalid('the log tag is too long')
  try {
    return renderTemplate(template, tagFields(record), { type: '*logger.Info' })
  } catch (error) {
    if (!isFailure(error)) throw error
    throw invalid(
      error.message.replace(/^template: :/, 'template: log-tag:').replace('executing ""', 'executing "log-tag"'),
    )
  }
}

function tagFields(record: LoggedContainer): Record<string, unknown> {
  const { config, image } = record
  return {
    Config: logOptions(record),
    ContainerID: record.id,
    ContainerName: `/${record.name}`,
    ContainerEntrypoint: record.path,
    ContainerArgs: record.args,
    ContainerImageID: image.id,
    ContainerImageName: config.Image ?? '',
    ContainerCreated: record.createdAt,
    ContainerEnv: config.Env ?? [],
    ContainerLabels: config.Labels ?? {},
    DaemonName: 'docker',
    ID: shortId(record.id),
    FullID: record.id,
    Name: record.name,
    ImageID: shortId(image.id.replace(/^sha256:/, '')),
    ImageFullID: image.id,
    ImageName: config.Image ?? '',
    Hostname: hostname(),
    Command: commandOf(record),
  }
}

/** What `labels`, `labels-regex`, `env` and `env-regex` choose, in the order of its names. `rename` makes a driver's name of one. */
export function extraAttributes(
  record: LoggedContainer,
  rename: (name: string) => string = (name) => name,
): Record<string, string> {
  const options = logOptions(record)
  const labels = new Map(Object.entries(record.config.Labels ?? {}))
  const variables = new Map(
    (record.config.Env ?? []).flatMap((text): [string, string][] => {
      const equals = text.indexOf('=')
      return equals < 0 ? [] : [[text.slice(0, equals), text.slice(equals + 1)]]
    }),
  )
  const chosen = [
    ...chooseNamed(labels, options['labels']),
    ...chooseMatching(labels, options['labels-regex']),
    ...chooseNamed(variables, options['env']),
    ...chooseMatching(variables, options['env-regex']),
  ]
  return sortKeys(Object.fromEntries(chosen.map(([name, value]) => [rename(name), value])))
}

/** The attributes of every entry in a file: the chosen ones, and the tag where one was asked for. */
export function fileAttributes(record: LoggedContainer): Record<string, string> {
  const tag = expandTag(record, '')
  return sortKeys({ ...extraAttributes(record), ...(tag === '' ? {} : { tag }) })
}

function chooseNamed(values: ReadonlyMap<string, string>, list: string | undefined): [string, string][] {
  return (list ?? '').split(',').flatMap((name): [string, string][] => {
    const value = values.get(name)
    return value === undefined ? [] : [[name, value]]
  })
}

function chooseMatching(values: ReadonlyMap<string, string>, pattern: string | undefined): [string, string][] {
  if (pattern === undefined || pattern === '') return []
  const compiled = compileLinearPattern(pattern)
  return [...values].filter(([name]) => compiled.test(name))
}
