// `--device host:container:rwm`, names of the Container Device Interface, `--gpus`.
import { posix } from 'node:path'
import { cutPair, invalid, parseCsv } from './values.ts'

export interface DeviceMapping {
  PathOnHost: string
  PathInContainer: string
  CgroupPermissions: string
}

/** `vendor.com/class=name` */
export function isCdiName(device: string): boolean {
  return /^[A-Za-z][\w.-]*\/[A-Za-z][\w-]*=[A-Za-z0-9][\w.:-]*$/.test(device)
}

function isMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length
}

export function parseDevice(device: string): DeviceMapping {
  const parts = device.split(':')
  const [host = '', second, third] = parts
  if (parts.length > 3 || host === '') throw invalid(`bad format for path: ${device}`)
  if (third !== undefined && !isMode(third)) throw invalid(`bad mode specified: ${third}`)
  const hasTarget = second !== undefined && (third !== undefined || !isMode(second))
  const inside = hasTarget ? second : host
  if (!inside.startsWith('/')) throw invalid(`${inside} is not an absolute path`)
  const mode = third ?? (hasTarget || second === undefined ? 'rwm' : second)
  return {
    PathOnHost: hasTarget ? host : posix.normalize(host),
    PathInContainer: third === undefined ? posix.normalize(inside) : inside,
    CgroupPermissions: mode,
  }
}

export interface DeviceRequest {
  Driver: string
  Count: number
  DeviceIDs: string[] | null
  Capabilities: string[][] | null
  Options: Record<string, string>
}

export function cdiRequest(names: string[]): DeviceRequest {
  return { Driver: 'cdi', Count: 0, DeviceIDs: names, Capabilities: null, Options: {} }
}

function parseCount(text: string): number {
  if (text === 'all') return -1
  if (!/^[+-]?\d+$/.test(text))
    throw invalid(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`)
  return Number(text)
}

/** `all`, `2`, `device=0,driver=nvidia,"capabilities=compute,utility"`. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = { Driver: '', Count: 0, DeviceIDs: null, Capabilities: null, Options: {} }
  const seen = new Set<string>()
  for (const field of parseCsv(text)) {
    const [key, value] = cutPair(field)
    if (seen.has(key)) throw invalid(`gpu request key '${key}' can be specified only once`)
    seen.add(key)
    if (!field.includes('=')) {
      seen.add('count')
      request.Count = parseCount(key)
    } else if (key === 'driver') request.Driver = value
    else if (key === 'count') request.Count = parseCount(value)
    else if (key === 'device') request.DeviceIDs = value.split(',')
    else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']]
    else if (key === 'options') request.Options = Object.fromEntries(parseCsv(value).map(cutPair))
    else throw invalid(`unexpected key '${key}' in '${field}'`)
  }
  if (!seen.has('count') && request.DeviceIDs === null) request.Count = 1
  request.Capabilities ??= [['gpu']]
  return request
}
