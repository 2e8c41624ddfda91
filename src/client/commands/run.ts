// run: create, attach, wait, start, in the order that loses neither output nor exit code.
import { isFailure, messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { followSize, proxySignals, runSession } from '../connection/stream-session.ts'
import { CONTAINER_FLAGS, type CreateBody } from '../container-flags.ts'
import { CREATE_FAILURE_CODE, createContainer, readBody } from './create.ts'

export const run: Command = {
  paths: ['run', 'container run'],
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  flags: [
    ...CONTAINER_FLAGS,
    { name: 'detach', short: 'd', kind: 'boolean', usage: 'Run container in background and print container ID' },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'sig-proxy', kind: 'boolean', usage: 'Proxy received signals to the process', default: 'true' },
  ],
  args: { min: 1 },
  interspersed: false,
  failureCode: CREATE_FAILURE_CODE,
  async run(shell, [image = '', ...command], flags) {
    const isDetached = flags.boolean('detach') ?? false
    const body = readBody(flags, image, command, shell, isDetached)
    if (body.Tty && body.AttachStdin && !shell.stdin.isTTY && !isDetached)
      throw new ExitCode(1, 'the input device is not a TTY')
    const { Id } = await createContainer(shell, body, flags)
    const isAttached = body.AttachStdin || body.AttachStdout || body.AttachStderr
    if (isDetached || !isAttached) {
      await startOrExplain(shell, Id)
      shell.print(`${Id}\n`)
      return 0
    }
    return runAttached(shell, Id, body, {
      autoRemove: flags.boolean('rm') ?? false,
      detachKeys: flags.text('detach-keys'),
      sigProxy: flags.boolean('sig-proxy') ?? true,
    })
  },
}

interface AttachedOptions {
  autoRemove: boolean
  detachKeys: string | undefined
  sigProxy: boolean
}

async function runAttached(shell: Shell, id: string, body: CreateBody, options: AttachedOptions): Promise<number> {
  const { connection } = shell
  const hijacked = await connection.hijack({
    method: 'POST',
    path: `/containers/${id}/attach`,
    query: {
      stream: true,
      stdin: body.AttachStdin,
      stdout: body.AttachStdout,
      stderr: body.AttachStderr,
      detachKeys: options.detachKeys,
    },
  })
  const stop = new AbortController()
  const exit = waitForExit(shell, id, options.autoRemove ? 'removed' : 'next-exit', stop.signal)
  const session = runSession(shell, hijacked, {
    stdin: body.AttachStdin,
    tty: body.Tty,
    stdout: body.AttachStdout,
    stderr: body.AttachStderr,
  })
  session.catch(() => {}) // told of below
  const stopProxy =
    options.sigProxy && !body.Tty ? proxySignals((signal) => killContainer(shell, id, signal)) : () => {}
  try {
    await exit.sent
    try {
      await startOrExplain(shell, id)
    } catch (error) {
      hijacked.socket.destroy()
      stop.abort()
      exit.code.catch(() => {})
      throw error
    }
    const stopSize = body.Tty
      ? followSize(shell, (h, w) =>
          connection
            .open({ method: 'POST', path: `/containers/${id}/resize`, query: { h, w } })
            .then((response) => response.resume()),
        )
      : () => {}
    try {
      await session
    } finally {
      stopSize()
    }
    return await exitOrDetach(shell, id, body.Tty, exit.code, stop)
  } finally {
    stopProxy()
  }
}

/** A session on a terminal can end by its detach keys: then the container still runs, and nobody waits for it. */
async function exitOrDetach(
  shell: Shell,
  id: string,
  isTty: boolean,
  code: Promise<number>,
  stop: AbortController,
): Promise<number> {
  if (!isTty) return code
  const running = shell.connection
    .json<{ State: { Running: boolean } }>({ method: 'GET', path: `/containers/${id}/json` })
    .then(({ State }) => State.Running)
    .catch(() => false)
  const first = await Promise.race([code.then(() => false), running])
  if (!first) return code
  stop.abort()
  code.catch(() => {})
  return 0
}

interface Waiting {
  /** Resolves once the engine has the request: from then on no exit is missed. */
  sent: Promise<unknown>
  code: Promise<number>
}

export function waitForExit(shell: Shell, id: string, condition: string, signal: AbortSignal): Waiting {
  const response = shell.connection.open({
    method: 'POST',
    path: `/containers/${id}/wait`,
    query: { condition },
    signal,
  })
  const code = response.then(async (body) => {
    let text = ''
    for await (const chunk of body as AsyncIterable<Buffer>) text += chunk.toString()
    const result = JSON.parse(text) as { StatusCode: number; Error?: { Message: string } | null }
    if (result.Error) throw new ExitCode(CREATE_FAILURE_CODE, result.Error.Message)
    return result.StatusCode
  })
  code.catch(() => {})
  return { sent: response, code }
}

/** Docker's exit codes are decided by the text of the failure. */
async function startOrExplain(shell: Shell, id: string): Promise<void> {
  try {
    const response = await shell.connection.open({ method: 'POST', path: `/containers/${id}/start` })
    response.resume()
  } catch (error) {
    if (isFailure(error, 'not-modified')) return
    throw new ExitCode(
      exitCodeOf(messageOf(error)),
      `berth: ${messageOf(error)}\n\nRun 'berth run --help' for more information`,
    )
  }
}

export function exitCodeOf(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message))
    return 127
  if (/permission denied|is a directory/.test(message)) return 126
  return CREATE_FAILURE_CODE
}

export async function killContainer(shell: Shell, id: string, signal: string): Promise<void> {
  const response = await shell.connection.open({ method: 'POST', path: `/containers/${id}/kill`, query: { signal } })
  response.resume()
}
