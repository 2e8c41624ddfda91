// What an engine can do, and which commands and flags need which of it: refused by name, and left out of the help.
import { type Connection, isOlder, NEWEST_API_VERSION } from './connection/connection.ts'

export interface Features {
  /** The version that is spoken: the engine's own, or ours where that is older. */
  apiVersion: string
  /** Empty where the engine does not say. */
  osType: string
  isExperimental: boolean
  /** Undefined where the engine does not say. */
  swarm: { isActive: boolean; isManager: boolean } | undefined
}

/** What a command or a flag needs of the engine. */
export interface Gate {
  /** The API version that brought it. */
  readonly since?: string
  /** Only engines on Windows know it. */
  readonly isForWindows?: boolean
  /** Only experimental engines know it. */
  readonly isExperimental?: boolean
  /** The help leaves it out where the engine has no such swarm. */
  readonly needsSwarm?: 'manager' | 'active'
}

/** Asks when it is first needed, and at most once: most commands are for every engine. */
export type AskFeatures = () => Promise<Features>

/** Of an engine that nobody can ask, everything is believed: the command itself will say that it is not there. */
const UNKNOWN: Features = { apiVersion: NEWEST_API_VERSION, osType: '', isExperimental: true, swarm: undefined }

export function featuresOf(connect: () => Promise<Connection>): AskFeatures {
  let asked: Promise<Features> | undefined
  const ask = async (): Promise<Features> => {
    try {
      const connection = await connect()
      const { osType, isExperimental, swarm } = await connection.ping()
      return { apiVersion: await connection.version(), osType, isExperimental, swarm: parseSwarm(swarm) }
    } catch {
      return UNKNOWN
    }
  }
  return () => {
    asked ??= ask()
    return asked
  }
}

/** `inactive`, `active/worker`, `active/manager`: the header of the answer to a ping. */
function parseSwarm(text: string | undefined): Features['swarm'] {
  if (!text) return undefined
  const [state, role] = text.split('/')
  return { isActive: state !== 'inactive', isManager: role === 'manager' }
}

/** Whether the help shows it. */
export async function isShown(gate: Gate, ask: AskFeatures): Promise<boolean> {
  const { since, isForWindows, isExperimental, needsSwarm } = gate
  if (since === undefined && !isForWindows && !isExperimental && needsSwarm === undefined) return true
  const features = await ask()
  if (isExperimental && !features.isExperimental) return false
  if (isForWindows && features.osType !== '' && features.osType !== 'windows') return false
  if (since !== undefined && isOlder(features.apiVersion, since)) return false
  const { swarm } = features
  if (needsSwarm === undefined || swarm === undefined) return true
  return needsSwarm === 'manager' ? swarm.isManager : swarm.isActive
}

/** What is wrong with calling `path` on this engine; undefined where nothing is. */
export async function complaintOfCommand(path: string, gate: Gate, ask: AskFeatures): Promise<string | undefined> {
  const { since, isExperimental } = gate
  if (since !== undefined) {
    const { apiVersion } = await ask()
    if (isOlder(apiVersion, since))
      return `${path} requires API version ${since}, but the Docker daemon API version is ${apiVersion}`
  }
  if (isExperimental && !(await ask()).isExperimental)
    return `${path} is only supported on a Docker daemon with experimental features enabled`
  return undefined
}

/** The same of one flag that was given. */
export async function complaintOfFlag(name: string, gate: Gate, ask: AskFeatures): Promise<string | undefined> {
  const { since, isForWindows, isExperimental } = gate
  if (since !== undefined) {
    const { apiVersion } = await ask()
    if (isOlder(apiVersion, since))
      return `"--${name}" requires API version ${since}, but the Docker daemon API version is ${apiVersion}`
  }
  if (isForWindows) {
    const { osType } = await ask()
    if (osType !== '' && osType !== 'windows')
      return `"--${name}" is only supported on a Docker daemon running on windows, but the Docker daemon is running on ${osType}`
  }
  if (isExperimental && !(await ask()).isExperimental)
    return `"--${name}" is only supported on a Docker daemon with experimental features enabled`
  return undefined
}
