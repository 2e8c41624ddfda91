// exec: a further process in a running container.
import { type Command, ExitCode } from '../command.ts'
import { followSize, runSession } from '../connection/stream-session.ts'
import { exitCodeOf } from './run.ts'
import { messageOf } from '../../base/failure.ts'

export const exec: Command = {
  paths: ['exec', 'container exec'],
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Execute a command in a running container',
  flags: [
    { name: 'detach', short: 'd', kind: 'boolean', usage: 'Detached mode: run command in the background' },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'env', short: 'e', kind: 'list', usage: 'Set environment variables' },
    { name: 'env-file', kind: 'list', usage: 'Read in a file of environment variables' },
    { name: 'interactive', short: 'i', kind: 'boolean', usage: 'Keep STDIN open even if not attached' },
    { name: 'privileged', kind: 'boolean', usage: 'Give extended privileges to the command' },
    { name: 'tty', short: 't', kind: 'boolean', usage: 'Allocate a pseudo-TTY' },
    { name: 'user', short: 'u', kind: 'string', usage: 'Username or UID (format: "<name|uid>[:<group|gid>]")' },
    { name: 'workdir', short: 'w', kind: 'string', usage: 'Working directory inside the container' },
  ],
  args: { min: 2 },
  interspersed: false,
  async run(shell, [name = '', ...command], flags) {
    const { connection } = shell
    const isTty = flags.boolean('tty') ?? false
    const isDetached = flags.boolean('detach') ?? false
    const stdin = (flags.boolean('interactive') ?? false) && !isDetached
    if (isTty && stdin && !shell.stdin.isTTY) throw new ExitCode(1, 'the input device is not a TTY')
    const { Id } = await connection.json<{ Id: string }>({
      method: 'POST',
      path: `/containers/${encodeURIComponent(name)}/exec`,
      body: {
        User: flags.text('user') ?? '',
        Privileged: flags.boolean('privileged') ?? false,
        Tty: isTty,
        AttachStdin: stdin,
        AttachStdout: !isDetached,
        AttachStderr: !isDetached,
        Detach: isDetached,
        DetachKeys: flags.text('detach-keys') ?? '',
        Env: flags
          .list('env')
          .flatMap((entry) =>
            entry.includes('=') ? [entry] : shell.env[entry] === undefined ? [] : [`${entry}=${shell.env[entry]}`],
          ),
        WorkingDir: flags.text('workdir') ?? '',
        Cmd: command,
      },
    })
    const body = { Detach: isDetached, Tty: isTty }
    try {
      if (isDetached) {
        ;(await connection.open({ method: 'POST', path: `/exec/${Id}/start`, body })).resume()
        return 0
      }
      const hijacked = await connection.hijack({ method: 'POST', path: `/exec/${Id}/start`, body })
      const stopSize = isTty
        ? followSize(shell, (h, w) =>
            connection
              .open({ method: 'POST', path: `/exec/${Id}/resize`, query: { h, w } })
              .then((response) => response.resume()),
          )
        : () => {}
      await runSession(shell, hijacked, { stdin, tty: isTty }).finally(stopSize)
    } catch (error) {
      const code = exitCodeOf(messageOf(error))
      throw new ExitCode(code === 125 ? 1 : code, messageOf(error))
    }
    const { ExitCode: code } = await connection.json<{ ExitCode: number | null }>({
      method: 'GET',
      path: `/exec/${Id}/json`,
    })
    return code ?? 0
  },
}
