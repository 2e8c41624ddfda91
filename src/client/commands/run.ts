// run: create, attach, wait, start, in the order that loses neither output nor exit code.
import { type Command, ExitCode, type Shell } from '../command.ts'
import { followSize, proxySignals, requireTerminal, runSession } from '../connection/stream-session.ts'
import type { FlagValues } from '../flags.ts'
import { CONTAINER_FLAGS } from '../options/container-flags.ts'
import type { CreateBody } from '../options/create-body.ts'
import { isTerminal } from '../terminal/streams.ts'
import { explainStart, killContainer, resizeContainer, startContainer, waitForExit } from './container-calls.ts'
import { createContainer, readBody } from './create.ts'

export const run: Command = {
  flags: [
    ...CONTAINER_FLAGS,
    { name: 'detach', short: 'd', kind: 'boolean', usage: 'Run container in background and print container ID' },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    {
      ...{ name: 'pull', kind: 'string', default: '"missing"' },
      usage: 'Pull image before running ("always", "missing", "never")',
    },
    { name: 'sig-proxy', kind: 'boolean', usage: 'Proxy received signals to the process', default: 'true' },
  ],
  args: { min: 1 },
  interspersed: false,
  async run(shell, [image = '', ...command], flags) {
    const body = readBody(shell, flags, image, command, 'run')
    if (flags.boolean('detach')) {
      if (flags.has('attach')) throw new ExitCode(1, 'conflicting options: cannot specify both --attach and --detach')
      Object.assign(body, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false })
    } else requireTerminal(body.AttachStdin, body.Tty)
    const Id = await createContainer(shell, body, flags).catch((error: unknown) => {
      throw error instanceof ExitCode ? error : explainStart(error)
    })
    // Also without anything attached: Docker hands signals on as soon as the container exists.
    if (flags.boolean('sig-proxy') ?? true) proxySignals(shell, (signal) => killContainer(shell, Id, signal))
    else shell.interruption.hold()
    if (body.AttachStdin || body.AttachStdout || body.AttachStderr) return runAttached(shell, Id, body, flags)
    shell.print(`${Id}\n`)
    await startContainer(shell, Id).catch((error: unknown) => {
      throw explainStart(error)
    })
    return 0
  },
}

async function runAttached(shell: Shell, id: string, body: CreateBody, flags: FlagValues): Promise<number> {
  const { AttachStdin: stdin, AttachStdout: stdout, AttachStderr: stderr, Tty: tty } = body
  const detachKeys = flags.text('detach-keys') || shell.config.detachKeys || ''
  const stream = await shell.connection.hijack({
    method: 'POST',
    path: `/containers/${id}/attach`,
    query: { stream: true, stdin, stdout, stderr, detachKeys: detachKeys || undefined },
  })
  const isAutoRemoved = flags.boolean('rm') ?? false
  const exit = waitForExit(shell, id, isAutoRemoved ? 'removed' : 'next-exit')
  const session = runSession(shell, stream, { stdin, tty, stdout, stderr, detachKeys })
  session.catch(() => {}) // told of below
  try {
    await startContainer(shell, id)
  } catch (error) {
    stream.destroy()
    await session.catch(() => {})
    if (isAutoRemoved) await exit.code
    throw explainStart(error)
  }
  if (tty && isTerminal(1)) followSize(resizeContainer(shell, id))
  // Without output there may be nothing that ends the session but the container's end.
  const ended = stdout || stderr ? session : Promise.race([session, exit.code.then(() => 'ended' as const)])
  if ((await ended) === 'detached') return 0
  return exit.code
}
