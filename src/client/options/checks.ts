// What the client itself checks of a flag's value while it reads the command line.
import { goQuote } from '../../base/go/go-quote.ts'
import { isIpAddress } from './publish.ts'
import { invalid, parseBytes } from './values.ts'

export function checkAttach(value: string): void {
  if (!['stdin', 'stdout', 'stderr'].includes(value.toLowerCase()))
    throw invalid('valid streams are STDIN, STDOUT and STDERR')
}

export function checkEnv(value: string): void {
  if (value === '' || value.startsWith('=')) throw invalid(`invalid environment variable: ${value}`)
}

export function checkLabel(value: string): void {
  const key = (value.split('=')[0] ?? '').replace(/^[ \t]+/, '')
  if (key === '') throw invalid(`invalid label '${value}': empty name`)
  if (/[ \t]/.test(key)) throw invalid(`label '${key}' contains whitespaces`)
}

export function checkExtraHost(value: string): void {
  parseExtraHost(value)
}

/** `name:address` and `name=address`, as the engine wants it: with a colon, without brackets. */
export function parseExtraHost(value: string): string {
  const at = value.includes('=') ? value.indexOf('=') : value.indexOf(':')
  const name = value.slice(0, Math.max(at, 0))
  if (at < 0 || name === '' || name.includes(':')) throw invalid(`bad format for add-host: ${goQuote(value)}`)
  const address = value.slice(at + 1)
  if (address === 'host-gateway') return `${name}:${address}`
  const bare = /^\[.+\]$/.test(address) ? address.slice(1, -1) : address
  if (!isIpAddress(bare)) throw invalid(`invalid IP address in add-host: ${goQuote(bare)}`)
  return `${name}:${bare}`
}

export function checkDns(value: string): void {
  if (!isIpAddress(value.trim())) throw invalid(`IP address is not correctly formatted: ${value}`)
}

const DOMAIN =
  /^(:?(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))(:?\.(:?[a-zA-Z0-9]|(:?[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])))*)\.?\s*$/

export function checkDnsSearch(value: string): void {
  const trimmed = value.replace(/^ +| +$/g, '')
  if (trimmed !== '.' && !(/[a-zA-Z]/.test(trimmed) && DOMAIN.test(trimmed)))
    throw invalid(`${trimmed} is not a valid domain`)
}

const SYSCTLS = 'msgmax msgmnb msgmni sem shmall shmmax shmmni shm_rmid_forced'
  .split(' ')
  .map((name) => `kernel.${name}`)

export function checkSysctl(value: string): void {
  const equals = value.indexOf('=')
  const key = value.slice(0, Math.max(equals, 0))
  if (!SYSCTLS.includes(key) && !/^(net|fs\.mqueue)\./.test(key)) throw invalid(`sysctl '${value}' is not allowed`)
}

export function checkLink(value: string): void {
  if (value === '') throw invalid('empty string specified for links')
  if (value.split(':').length > 2) throw invalid(`bad format for links: ${value}`)
}

export function checkCgroupRule(value: string): void {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(value))
    throw invalid(`invalid device cgroup format '${value}'`)
}

function splitDevice(value: string): [string, string] {
  const colon = value.indexOf(':')
  if (colon <= 0) throw invalid(`bad format: ${value}`)
  if (!value.startsWith('/dev/')) throw invalid(`bad format for device path: ${value}`)
  return [value.slice(0, colon), value.slice(colon + 1)]
}

export function parseWeightDevice(value: string): { Path: string; Weight: number } {
  const [path, weight] = splitDevice(value)
  const number = Number(weight)
  if (!/^\d+$/.test(weight) || number > 1000 || (number > 0 && number < 10))
    throw invalid(`invalid weight for device: ${value}`)
  return { Path: path, Weight: number }
}

export function parseBpsDevice(value: string): { Path: string; Rate: number } {
  const [path, rate] = splitDevice(value)
  try {
    return { Path: path, Rate: parseBytes(rate) }
  } catch {
    throw invalid(
      `invalid rate for device: ${value}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    )
  }
}

export function parseIopsDevice(value: string): { Path: string; Rate: number } {
  const [path, rate] = splitDevice(value)
  if (!/^\d+$/.test(rate))
    throw invalid(
      `invalid rate for device: ${value}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    )
  return { Path: path, Rate: Number(rate) }
}
