// attach: this terminal's streams on a running container.
import { type Command, ExitCode } from '../command.ts'
import { followSize, proxySignals, requireTerminal, runSession } from '../connection/stream-session.ts'
import { isTerminal, terminalSize } from '../terminal/streams.ts'
import {
  type ContainerDetails,
  inspectContainer,
  killContainer,
  resizeContainer,
  waitForExit,
} from './container-calls.ts'

export const attach: Command = {
  flags: [
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'no-stdin', kind: 'boolean', usage: 'Do not attach STDIN' },
    { name: 'sig-proxy', kind: 'boolean', usage: 'Proxy all received signals to the process', default: 'true' },
  ],
  args: { min: 1, max: 1 },
  async run(shell, [name = ''], flags) {
    shell.interruption.listen()
    const { connection } = shell
    const details = await inspectContainer(shell, name)
    requireAttachable(details)
    const { Id, Config } = details
    requireTerminal(!flags.boolean('no-stdin'), Config.Tty)
    const stdin = !flags.boolean('no-stdin') && Config.OpenStdin
    const detachKeys = flags.text('detach-keys') || shell.config.detachKeys || ''
    const exit = waitForExit(shell, Id, 'not-running')
    if ((flags.boolean('sig-proxy') ?? true) && !Config.Tty)
      proxySignals(shell, (signal) => killContainer(shell, Id, signal))
    const query = { stream: true, stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined }
    const stream = await connection.hijack({ method: 'POST', path: `/containers/${Id}/attach`, query })
    // It may have ended between the two: then nothing would ever come.
    requireAttachable(await inspectContainer(shell, Id))
    const size = Config.Tty && isTerminal(1) ? terminalSize(1) : undefined
    if (size !== undefined) {
      // A change of size makes programs draw their screen again, for the one who has just come.
      const resize = resizeContainer(shell, Id)
      await resize(size.rows + 1, size.columns + 1).catch(() => {}) // only cosmetics
      followSize(resize)
    }
    const end = await runSession(shell, stream, { stdin, tty: Config.Tty, stdout: true, stderr: true, detachKeys })
    if (end === 'detached') throw new ExitCode(1, 'read escape sequence')
    return exit.code
  },
}

function requireAttachable({ State }: ContainerDetails): void {
  if (!State.Running) throw new ExitCode(1, 'You cannot attach to a stopped container, start it first')
  if (State.Paused) throw new ExitCode(1, 'You cannot attach to a paused container, unpause it first')
  if (State.Restarting) throw new ExitCode(1, 'You cannot attach to a restarting container, wait until it is running')
}
