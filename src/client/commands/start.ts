// start: POST /containers/{id}/start, with -a attached as run is.
import { type Command, ExitCode, forEach, type Shell } from '../command.ts'
import { followSize, proxySignals, runSession } from '../connection/stream-session.ts'
import { exitCodeOf, killContainer, waitForExit } from './run.ts'
import { isFailure, messageOf } from '../../base/failure.ts'

export const start: Command = {
  paths: ['start', 'container start'],
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start one or more stopped containers',
  flags: [
    { name: 'attach', short: 'a', kind: 'boolean', usage: 'Attach STDOUT/STDERR and forward signals' },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'interactive', short: 'i', kind: 'boolean', usage: "Attach container's STDIN" },
  ],
  args: { min: 1 },
  async run(shell, names, flags) {
    const [name = ''] = names
    if (!flags.boolean('attach') && !flags.boolean('interactive'))
      return forEach(shell, names, async (each) => {
        await postStart(shell, each)
        shell.print(`${each}\n`)
      })
    if (names.length > 1) throw new ExitCode(1, 'you cannot start and attach multiple containers at once')
    return startAttached(shell, name, flags.boolean('interactive') ?? false, flags.text('detach-keys'))
  },
}

async function startAttached(
  shell: Shell,
  name: string,
  interactive: boolean,
  detachKeys: string | undefined,
): Promise<number> {
  const { connection } = shell
  const { Id, Config, HostConfig } = await connection.json<{
    Id: string
    Config: { Tty: boolean; OpenStdin: boolean }
    HostConfig: { AutoRemove: boolean }
  }>({ method: 'GET', path: `/containers/${encodeURIComponent(name)}/json` })
  const stdin = interactive && Config.OpenStdin
  const query = { stream: true, stdin, stdout: true, stderr: true, detachKeys }
  const hijacked = await connection.hijack({ method: 'POST', path: `/containers/${Id}/attach`, query })
  const stop = new AbortController()
  const exit = waitForExit(shell, Id, HostConfig.AutoRemove ? 'removed' : 'next-exit', stop.signal)
  await exit.sent
  const session = runSession(shell, hijacked, { stdin, tty: Config.Tty })
  session.catch(() => {})
  const stopProxy = Config.Tty ? () => {} : proxySignals((signal) => killContainer(shell, Id, signal))
  try {
    await postStart(shell, Id).catch((error: unknown) => {
      hijacked.socket.destroy()
      stop.abort()
      throw new ExitCode(exitCodeOf(messageOf(error)) === 125 ? 1 : exitCodeOf(messageOf(error)), messageOf(error))
    })
    const stopSize = Config.Tty
      ? followSize(shell, (h, w) =>
          connection
            .open({ method: 'POST', path: `/containers/${Id}/resize`, query: { h, w } })
            .then((response) => response.resume()),
        )
      : () => {}
    await session.finally(stopSize)
    return await exit.code
  } finally {
    stopProxy()
  }
}

async function postStart(shell: Shell, name: string): Promise<void> {
  try {
    const response = await shell.connection.open({
      method: 'POST',
      path: `/containers/${encodeURIComponent(name)}/start`,
    })
    response.resume()
  } catch (error) {
    if (!isFailure(error, 'not-modified')) throw error
  }
}
