// The `platform` parameter where it is an object of the image specification: push, save, load, history, inspect, and `platforms` of a removal.
import { Failure, messageOf } from '../../base/failure.ts'
import { objectOf, optional, stringOf } from '../../oci/json-shape.ts'
import { normalizePlatform } from '../../oci/parse-platform.ts'
import type { Platform } from '../../oci/platform.ts'
import type { ApiRequest, ApiVersion } from '../http/route.ts'

/** Undefined where none is asked for, or where the client's version knows none. Throws in Docker's words. */
export function readPlatformObject(
  { query, version }: Pick<ApiRequest, 'query' | 'version'>,
  since: Parameters<ApiVersion['atLeast']>[0],
): Platform | undefined {
  if (!version.atLeast(since)) return undefined
  const given = query.getAll('platform')
  if (given.length > 1) throw new Failure('invalid-argument', 'multiple platform parameters not supported')
  const [text = ''] = given
  return text === '' ? undefined : parseObject(text)
}

/** As `readPlatformObject`, where from 1.52 on several may be asked for. Empty: no choice. */
export function readPlatformList(
  { query, version }: Pick<ApiRequest, 'query' | 'version'>,
  since: Parameters<ApiVersion['atLeast']>[0],
): Platform[] {
  if (!version.atLeast(since)) return []
  const given = query.getAll('platform')
  if (given.length > 1 && !version.atLeast('1.52'))
    throw new Failure(
      'invalid-argument',
      'multiple platform parameters are not supported in this API version; use API version 1.52 or later',
    )
  return given.length === 1 && given[0] === '' ? [] : given.map(parseObject)
}

/** All of a parameter that may be given several times. Throws in Docker's words. */
export function readPlatformObjects(
  { query, version }: Pick<ApiRequest, 'query' | 'version'>,
  name: string,
  since: Parameters<ApiVersion['atLeast']>[0],
): Platform[] {
  return version.atLeast(since) ? query.getAll(name).map(parseObject) : []
}

function parseObject(text: string): Platform {
  let os = ''
  let architecture = ''
  let variant = ''
  let osVersion = ''
  try {
    const object = objectOf(JSON.parse(text), 'platform')
    const field = (name: string) => optional(object[name], `platform.${name}`, stringOf) ?? ''
    ;[os, architecture, variant, osVersion] = [
      field('os'),
      field('architecture'),
      field('variant'),
      field('os.version'),
    ]
  } catch (error) {
    throw new Failure('invalid-argument', `failed to parse platform: ${messageOf(error)}`, { cause: error })
  }
  if (os === '' && architecture === '' && (variant !== '' || osVersion !== ''))
    throw new Failure('invalid-argument', 'optional platform fields provided, but OS and Architecture are missing')
  if (os === '' || architecture === '')
    throw new Failure('invalid-argument', 'both OS and Architecture must be provided')
  return normalizePlatform(variant === '' ? { os, architecture } : { os, architecture, variant })
}
