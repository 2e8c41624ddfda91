// The body of POST /containers/create and of update: types are checked here, once, so that the rest of the engine can trust them.
import type { ContainerCreateRequest, HostConfig } from '../../api/container-types.ts'
import { Failure } from '../../base/failure.ts'

type Check = (value: unknown) => boolean
type Shape = Readonly<Record<string, Check>>

const isString: Check = (value) => typeof value === 'string'
const isBoolean: Check = (value) => typeof value === 'boolean'
const isNumber: Check = (value) => typeof value === 'number' && Number.isSafeInteger(value)
const isStrings: Check = (value) => Array.isArray(value) && value.every(isString)
const isNumbers: Check = (value) => Array.isArray(value) && value.every(isNumber)
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)
const isStringMap: Check = (value) => isObject(value) && Object.values(value as object).every(isString)
const isObjectMap: Check = (value) => isObject(value) && Object.values(value as object).every(isObject)
const isObjects: Check = (value) => Array.isArray(value) && value.every(isObject)

const CONFIG: Shape = {
  ...fields(isString, 'Hostname Domainname User Image WorkingDir MacAddress StopSignal'),
  ...fields(isBoolean, 'AttachStdin AttachStdout AttachStderr Tty OpenStdin StdinOnce ArgsEscaped NetworkDisabled'),
  ...fields(isStrings, 'Env Cmd Entrypoint OnBuild Shell'),
  ...fields(isObjectMap, 'ExposedPorts Volumes'),
  ...fields(isObject, 'Healthcheck HostConfig NetworkingConfig'),
  Labels: isStringMap,
  StopTimeout: isNumber,
}

const HOST_CONFIG: Shape = {
  ...fields(
    isString,
    'ContainerIDFile NetworkMode VolumeDriver CgroupnsMode IpcMode Cgroup PidMode UTSMode UsernsMode Runtime Isolation CgroupParent CpusetCpus CpusetMems',
  ),
  ...fields(isBoolean, 'AutoRemove Privileged PublishAllPorts ReadonlyRootfs OomKillDisable Init'),
  ...fields(
    isNumber,
    'OomScoreAdj ShmSize CpuShares Memory BlkioWeight CpuPeriod CpuQuota CpuRealtimePeriod CpuRealtimeRuntime KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness NanoCpus PidsLimit CpuCount CpuPercent IOMaximumIOps IOMaximumBandwidth',
  ),
  ...fields(
    isStrings,
    'Binds VolumesFrom CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links SecurityOpt MaskedPaths ReadonlyPaths DeviceCgroupRules',
  ),
  ...fields(isStringMap, 'Annotations StorageOpt Tmpfs Sysctls'),
  ...fields(
    isObjects,
    'Mounts BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps Devices DeviceRequests Ulimits',
  ),
  ConsoleSize: isNumbers,
  LogConfig: (value) => isObject(value) && fits(value as object, LOG_CONFIG),
  RestartPolicy: (value) => isObject(value) && fits(value as object, RESTART_POLICY),
  PortBindings: (value) => isObject(value) && Object.values(value as object).every(isBindingList),
}

const LOG_CONFIG: Shape = { Type: isString, Config: isStringMap }
const RESTART_POLICY: Shape = { Name: isString, MaximumRetryCount: isNumber }
const PORT_BINDING: Shape = { HostIp: isString, HostPort: isString }

/** Throws invalid-argument naming the field. Unknown fields are ignored; null stands for absent anywhere. */
export function decodeCreateRequest(body: unknown): ContainerCreateRequest {
  if (body === undefined || body === null || !isObject(body))
    throw new Failure('invalid-argument', 'config cannot be empty in order to create a container')
  const request = { ...(body as Record<string, unknown>) }
  // Old clients send a command as one string.
  for (const key of ['Cmd', 'Entrypoint']) if (typeof request[key] === 'string') request[key] = [request[key]]
  requireShape(request, CONFIG, '')
  if (request['HostConfig']) requireShape(request['HostConfig'], HOST_CONFIG, 'HostConfig.')
  return request as ContainerCreateRequest
}

export function decodeHostConfig(body: unknown): HostConfig {
  if (!isObject(body)) throw new Failure('invalid-argument', 'invalid JSON: an object is expected')
  requireShape(body as object, HOST_CONFIG, '')
  return body as HostConfig
}

function isBindingList(value: unknown): boolean {
  return value === null || (Array.isArray(value) && value.every((each) => isObject(each) && fits(each, PORT_BINDING)))
}

function fits(value: object, shape: Shape): boolean {
  return wrongField(value, shape) === undefined
}

function requireShape(value: object, shape: Shape, prefix: string): void {
  const wrong = wrongField(value, shape)
  if (wrong !== undefined)
    throw new Failure('invalid-argument', `invalid JSON: cannot unmarshal the value of field ${prefix}${wrong}`)
}

function wrongField(value: object, shape: Shape): string | undefined {
  for (const [name, item] of Object.entries(value)) {
    const check = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (check && item !== null && item !== undefined && !check(item)) return name
  }
  return undefined
}

function fields(check: Check, names: string): Shape {
  return Object.fromEntries(names.split(' ').map((name) => [name, check]))
}
