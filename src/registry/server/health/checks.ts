// `health` of the configuration: what is asked at its interval, and what makes the registry unhealthy.
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { messageOf } from '../../../base/failure.ts'
import type { Registry } from '../registry.ts'

export interface CheckSettings {
  name: string
  intervalMs: number
  /** So many failures in a row make it unhealthy. */
  threshold: number
  check:
    | { kind: 'store' }
    /** Unhealthy while it exists: an operator's switch. */
    | { kind: 'file'; path: string }
    | { kind: 'http'; uri: string; status: number; timeoutMs: number; headers: Readonly<Record<string, string>> }
    | { kind: 'tcp'; host: string; port: number; timeoutMs: number }
}

export class Health {
  readonly #failing = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  #isDraining = false

  /** What is wrong, by name; empty is well. */
  failures(): Record<string, string> {
    const draining = this.#isDraining ? { draining: 'the registry is shutting down' } : {}
    return { ...Object.fromEntries(this.#failing), ...draining }
  }

  /** Balancers that ask send nobody here any more; who is here is still served. */
  drain(): void {
    this.#isDraining = true
  }

  isWell(): boolean {
    return this.#failing.size === 0
  }

  report(name: string, threshold: number, failure: string | undefined): void {
    if (failure === undefined) {
      this.#counts.delete(name)
      this.#failing.delete(name)
      return
    }
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    if (count >= threshold) this.#failing.set(name, failure)
  }
}

/** Runs until the signal aborts. */
export async function runChecks(registry: Registry, signal: AbortSignal): Promise<void> {
  await Promise.all(registry.settings.health.map((settings) => runCheck(registry, settings, signal)))
}

async function runCheck(registry: Registry, settings: CheckSettings, signal: AbortSignal): Promise<void> {
  const { clock, health, log } = registry
  while (!signal.aborted) {
    const failure = await perform(registry, settings.check).then(() => undefined, messageOf)
    if (failure !== undefined) log.warn('health check failed', { check: settings.name, error: failure })
    health.report(settings.name, settings.threshold, failure)
    await clock.sleep(settings.intervalMs, signal)
  }
}

async function perform({ store }: Registry, check: CheckSettings['check']): Promise<void> {
  switch (check.kind) {
    case 'store':
      return store.check()
    case 'file':
      if (existsSync(check.path)) throw new Error('file exists')
      return
    case 'http': {
      const { uri, status, timeoutMs, headers } = check
      const response = await fetch(uri, { method: 'HEAD', headers, signal: AbortSignal.timeout(timeoutMs) })
      if (response.status !== status)
        throw new Error(`downstream service returned unexpected status: ${response.status}`)
      return
    }
    case 'tcp':
      return dial(check)
  }
}

function dial({ host, port, timeoutMs }: { host: string; port: number; timeoutMs: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: timeoutMs })
    const end = (error?: Error) => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    socket.once('connect', () => end())
    socket.once('timeout', () => end(new Error('connection timed out')))
    socket.once('error', end)
  })
}
