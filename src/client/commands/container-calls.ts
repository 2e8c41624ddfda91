// What several commands ask of one container.
import { messageOf } from '../../base/failure.ts'
import { ExitCode, type Shell } from '../command.ts'
import { logLine } from '../terminal/log-line.ts'

export function containerPath(name: string): string {
  return `/containers/${encodeURIComponent(name)}`
}

/** The parts of a container's description that commands decide by. */
export interface ContainerDetails {
  Id: string
  Config: { Tty: boolean; OpenStdin: boolean }
  State: { Running: boolean; Paused: boolean; Restarting: boolean }
  HostConfig: { AutoRemove: boolean }
}

export function inspectContainer(shell: Shell, name: string): Promise<ContainerDetails> {
  return shell.connection.json({ method: 'GET', path: `${containerPath(name)}/json` })
}

export interface Waiting {
  /** Resolves once the engine has the request: from then on no exit is missed. */
  sent: Promise<unknown>
  /** 125, and a line on standard error, where the engine could not tell. */
  code: Promise<number>
}

export function waitForExit(shell: Shell, id: string, condition: string): Waiting {
  const body = shell.connection.open({ method: 'POST', path: `/containers/${id}/wait`, query: { condition } })
  const code = readExit(body)
  code.catch(() => {})
  return { sent: body, code }
}

async function readExit(body: Promise<AsyncIterable<Uint8Array>>): Promise<number> {
  try {
    let text = ''
    for await (const chunk of await body) text += Buffer.from(chunk).toString()
    if (text.trim() === '') throw new Error('unexpected EOF')
    const result = JSON.parse(text) as { StatusCode: number; Error?: { Message: string } | null }
    if (!result.Error) return result.StatusCode
    logLine('error', `Error waiting for container: ${result.Error.Message}`)
  } catch (error) {
    logLine('error', `error waiting for container: ${messageOf(error)}`)
  }
  return 125
}

export function startContainer(shell: Shell, name: string): Promise<void> {
  return shell.connection.send({ method: 'POST', path: `${containerPath(name)}/start` }).catch(ignoreNotModified)
}

/** What already is as it was wanted is no failure: 304. */
export function ignoreNotModified(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'not-modified') throw error
}

export function killContainer(shell: Shell, id: string, signal: string): Promise<void> {
  return shell.connection.send({
    method: 'POST',
    path: `${containerPath(id)}/kill`,
    query: { signal: signal || undefined },
  })
}

export function resizeContainer(shell: Shell, id: string): (h: number, w: number) => Promise<void> {
  return (h, w) => shell.connection.send({ method: 'POST', path: `/containers/${id}/resize`, query: { h, w } })
}

/** Docker's exit codes of a container that could not start are decided by the text of the failure. */
export function explainStart(error: unknown): ExitCode {
  const message = messageOf(error)
  const isMissing = /executable file not found|no such file or directory|system cannot find the file specified/
  const code = isMissing.test(message) ? 127 : /permission denied|is a directory/.test(message) ? 126 : 125
  return withHelp(message, 'run', code)
}

/** How run and create say that a command line did not work. */
export function withHelp(message: string, command: string, code = 125): ExitCode {
  return new ExitCode(code, `berth: ${message}\n\nRun 'berth ${command} --help' for more information`)
}
