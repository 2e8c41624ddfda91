// What a registry says when it refuses (distribution's error bodies), as failures in Docker's words.
import { STATUS_CODES } from 'node:http'
import { Failure, type FailureCode } from '../../base/failure.ts'
import { familiarName, familiarReference } from '../../oci/parse-reference.ts'
import type { Reference } from '../../oci/reference.ts'

export interface RegistryError {
  code: string
  message: string
}

/** The first error of a body; what is not such a body becomes one by the status. What a failing server says of itself Docker does not repeat. */
export function parseRegistryError(status: number, body: Buffer): RegistryError {
  if (status >= 500) return unexpected(status)
  try {
    const document = JSON.parse(body.toString('utf8')) as { errors?: unknown; details?: unknown }
    const first = Array.isArray(document.errors)
      ? (document.errors[0] as Partial<RegistryError> | undefined)
      : undefined
    if (typeof first?.code === 'string')
      return { code: first.code, message: typeof first.message === 'string' ? first.message.slice(0, 1000) : '' }
  } catch {
    // Not a registry's error body: a proxy's page, or nothing at all.
  }
  return STATUS_ERRORS[status] ?? unexpected(status)
}

function unexpected(status: number): RegistryError {
  const words = [status, STATUS_CODES[status]].filter((word) => word !== undefined).join(' ')
  return { code: 'UNKNOWN', message: `received unexpected HTTP status: ${words}` }
}

/** `manifest unknown: manifest unknown`, as Go prints an error of a registry. */
export function registryErrorText({ code, message }: RegistryError): string {
  const name = code.toLowerCase().replaceAll('_', ' ')
  return code === 'UNKNOWN' && message !== '' ? message : `${name}: ${message}`
}

/** For a manifest that could not be had. */
export function manifestFailure(reference: Reference, status: number, error: RegistryError): Failure {
  const text = registryErrorText(error)
  switch (error.code) {
    case 'MANIFEST_UNKNOWN':
      return new Failure('not-found', `manifest for ${familiarReference(reference)} not found: ${text}`)
    case 'NAME_UNKNOWN':
      return new Failure('not-found', `repository ${familiarName(reference)} not found: ${text}`)
    case 'DENIED':
      return deniedFailure(reference, text)
    default:
      return new Failure(codeOf(status), text)
  }
}

export function deniedFailure(reference: Reference, text: string): Failure {
  const name = familiarName(reference)
  return new Failure(
    'not-found',
    `pull access denied for ${name}, repository does not exist or may require 'docker login': ${text}`,
  )
}

export function codeOf(status: number): FailureCode {
  if (status === 401) return 'unauthenticated'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not-found'
  if (status === 429) return 'resource-exhausted'
  return status >= 500 ? 'unavailable' : 'unknown'
}

const STATUS_ERRORS: Partial<Record<number, RegistryError>> = {
  401: { code: 'UNAUTHORIZED', message: 'authentication required' },
  403: { code: 'DENIED', message: 'requested access to the resource is denied' },
  404: { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' },
  429: { code: 'TOOMANYREQUESTS', message: 'too many requests' },
}
