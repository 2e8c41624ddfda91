// A create request as a whole, before anything is made for it.
import type { ContainerConfig, HealthConfig, HostConfig } from '../../../api/container-types.ts'
import { Failure } from '../../../base/failure.ts'
import { parseSignal } from '../signals.ts'
import { type ValidationFacts, validateHostConfig, validateOptions } from './validate-host-config.ts'

const MILLISECOND_NS = 1_000_000

/**
 * Before the image is known. Throws Failure('invalid-argument') in Docker's words; answers the warnings of the response, and takes away from `hostConfig`
 * what they say is discarded.
 */
export function validateCreate(config: ContainerConfig, hostConfig: HostConfig, facts: ValidationFacts): string[] {
  validateOptions(config, hostConfig, facts)
  const directory = config.WorkingDir ?? ''
  if (directory !== '' && !directory.startsWith('/'))
    refuse(`the working directory '${directory}' is invalid, it needs to be an absolute path`)
  if (config.StopSignal) parseSignal(config.StopSignal)
  for (const variable of config.Env ?? []) {
    if (variable === '' || variable.startsWith('=')) refuse(`invalid environment variable: ${variable}`)
    if (variable.includes('\0')) refuse(`invalid environment variable: ${variable.slice(0, variable.indexOf('\0'))}`)
  }
  if (config.Healthcheck != null) checkHealth(config.Healthcheck)
  for (const argument of [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])])
    if (argument.includes('\0')) refuse('invalid argument: contains a null byte')
  checkHostname(config)
  return validateHostConfig(hostConfig, facts)
}

function checkHealth(health: HealthConfig): void {
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[field] ?? 0
    if (value !== 0 && value < MILLISECOND_NS) refuse(`${field} in Healthcheck cannot be less than 1ms`)
  }
  if ((health.Retries ?? 0) < 0) refuse('Retries in Healthcheck cannot be negative')
}

const NAME_BYTES_MAX = 64 // HOST_NAME_MAX

/** The kernel would only say so at start. */
function checkHostname({ Hostname: hostname = '', Domainname: domain = '' }: ContainerConfig): void {
  if (Buffer.byteLength(hostname) > NAME_BYTES_MAX || hostname.includes('\0')) refuse(`invalid hostname: ${hostname}`)
  if (Buffer.byteLength(domain) > NAME_BYTES_MAX || domain.includes('\0')) refuse(`invalid domainname: ${domain}`)
}

function refuse(text: string): never {
  throw new Failure('invalid-argument', text)
}
