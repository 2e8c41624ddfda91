// attach: this terminal's streams on a running container.
import { type Command, ExitCode } from '../command.ts'
import { followSize, proxySignals, runSession } from '../connection/stream-session.ts'
import { killContainer, waitForExit } from './run.ts'

export const attach: Command = {
  paths: ['attach', 'container attach'],
  usage: '[OPTIONS] CONTAINER',
  summary: 'Attach local standard input, output, and error streams to a running container',
  flags: [
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'no-stdin', kind: 'boolean', usage: 'Do not attach STDIN' },
    { name: 'sig-proxy', kind: 'boolean', usage: 'Proxy all received signals to the process', default: 'true' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    const { connection } = shell
    const { Id, Config, State } = await connection.json<{
      Id: string
      Config: { Tty: boolean; OpenStdin: boolean }
      State: { Running: boolean; Paused: boolean; Restarting: boolean }
    }>({ method: 'GET', path: `/containers/${encodeURIComponent(name)}/json` })
    if (!State.Running) throw new ExitCode(1, 'cannot attach to a stopped container, start it first')
    if (State.Paused) throw new ExitCode(1, 'cannot attach to a paused container, unpause it first')
    if (State.Restarting) throw new ExitCode(1, 'cannot attach to a restarting container, wait until it is running')
    const stdin = !flags.boolean('no-stdin') && Config.OpenStdin
    const stop = new AbortController()
    const exit = waitForExit(shell, Id, 'not-running', stop.signal)
    await exit.sent
    const query = { stream: true, stdin, stdout: true, stderr: true, detachKeys: flags.text('detach-keys') }
    const hijacked = await connection.hijack({ method: 'POST', path: `/containers/${Id}/attach`, query })
    const stopProxy =
      (flags.boolean('sig-proxy') ?? true) && !Config.Tty
        ? proxySignals((signal) => killContainer(shell, Id, signal))
        : () => {}
    const stopSize = Config.Tty
      ? followSize(shell, (h, w) =>
          connection
            .open({ method: 'POST', path: `/containers/${Id}/resize`, query: { h, w } })
            .then((response) => response.resume()),
        )
      : () => {}
    try {
      await runSession(shell, hijacked, { stdin, tty: Config.Tty })
    } finally {
      stopProxy()
      stopSize()
    }
    const after = await connection
      .json<{ State: { Running: boolean } }>({ method: 'GET', path: `/containers/${Id}/json` })
      .catch(() => ({ State: { Running: false } }))
    if (after.State.Running && Config.Tty) {
      stop.abort()
      return 0
    }
    return exit.code
  },
}
