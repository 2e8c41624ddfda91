// start: POST /containers/{id}/start, with -a attached as run is.
import { messageOf } from '../../base/failure.ts'
import { type Command, ExitCode, type Shell } from '../command.ts'
import { followSize, proxySignals, runSession } from '../connection/stream-session.ts'
import { isTerminal } from '../terminal/streams.ts'
import { inspectContainer, killContainer, resizeContainer, startContainer, waitForExit } from './container-calls.ts'

export const start: Command = {
  flags: [
    { name: 'attach', short: 'a', kind: 'boolean', usage: 'Attach STDOUT/STDERR and forward signals' },
    { name: 'checkpoint', kind: 'string', usage: 'Restore from this checkpoint', isExperimental: true },
    {
      name: 'checkpoint-dir',
      kind: 'string',
      usage: 'Use a custom checkpoint storage directory',
      isExperimental: true,
    },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'interactive', short: 'i', kind: 'boolean', usage: "Attach container's STDIN" },
  ],
  args: { min: 1 },
  async run(shell, names, flags) {
    const [name = ''] = names
    const interactive = flags.boolean('interactive') ?? false
    if (!flags.boolean('attach') && !interactive) return startAll(shell, names)
    if (names.length > 1) throw new ExitCode(1, 'you cannot start and attach multiple containers at once')
    return startAttached(shell, name, interactive, flags.text('detach-keys') || shell.config.detachKeys || '')
  },
}

async function startAll(shell: Shell, names: readonly string[]): Promise<number> {
  const failed: string[] = []
  for (const name of names) {
    try {
      await startContainer(shell, name)
      shell.print(`${name}\n`)
    } catch (error) {
      shell.printError(`${messageOf(error)}\n`)
      failed.push(name)
    }
  }
  if (failed.length > 0) throw new ExitCode(1, `Error: failed to start containers: ${failed.join(', ')}`)
  return 0
}

async function startAttached(shell: Shell, name: string, interactive: boolean, detachKeys: string): Promise<number> {
  const { Id, Config, HostConfig } = await inspectContainer(shell, name)
  if (!Config.Tty) proxySignals(shell, (signal) => killContainer(shell, Id, signal))
  const stdin = interactive && Config.OpenStdin
  const stream = await shell.connection.hijack({
    method: 'POST',
    path: `/containers/${Id}/attach`,
    query: { stream: true, stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined },
  })
  const session = runSession(shell, stream, { stdin, tty: Config.Tty, stdout: true, stderr: true, detachKeys })
  session.catch(() => {}) // told of below
  const exit = waitForExit(shell, Id, HostConfig.AutoRemove ? 'removed' : 'next-exit')
  try {
    await startContainer(shell, Id)
  } catch (error) {
    stream.destroy()
    await session.catch(() => {})
    if (HostConfig.AutoRemove) await exit.code
    throw error
  }
  if (Config.Tty && isTerminal(1)) followSize(resizeContainer(shell, Id))
  if ((await session) === 'detached') return 0
  return exit.code
}
