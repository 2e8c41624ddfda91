// exec: a further process in a running container.
import { type Command, ExitCode } from '../command.ts'
import { followSize, requireTerminal, runSession } from '../connection/stream-session.ts'
import { checkEnv } from '../options/checks.ts'
import { readEnvironment } from '../options/environment.ts'
import { isTerminal, terminalSize } from '../terminal/streams.ts'
import { containerPath, inspectContainer } from './container-calls.ts'

export const exec: Command = {
  flags: [
    { name: 'detach', short: 'd', kind: 'boolean', usage: 'Detached mode: run command in the background' },
    { name: 'detach-keys', kind: 'string', usage: 'Override the key sequence for detaching a container' },
    { name: 'env', short: 'e', kind: 'list', usage: 'Set environment variables', check: checkEnv },
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
    shell.interruption.listen()
    const { connection } = shell
    const Env = readEnvironment(flags.list('env-file'), flags.list('env'), shell.env)
    const tty = flags.boolean('tty') ?? false
    const isDetached = flags.boolean('detach') ?? false
    const stdin = (flags.boolean('interactive') ?? false) && !isDetached
    const detachKeys = flags.text('detach-keys') || shell.config.detachKeys || ''
    // That there is no such container is said before that there is no terminal.
    if (tty && stdin && !isTerminal(0)) await inspectContainer(shell, name)
    if (!isDetached) requireTerminal(stdin, tty)
    const size = tty ? terminalSize(1) : undefined
    const ConsoleSize = tty ? { ConsoleSize: [size?.rows ?? 0, size?.columns ?? 0] } : {}
    const { Id } = await connection.json<{ Id: string }>({
      method: 'POST',
      path: `${containerPath(name)}/exec`,
      body: {
        User: flags.text('user') ?? '',
        Privileged: flags.boolean('privileged') ?? false,
        Tty: tty,
        ...ConsoleSize,
        AttachStdin: stdin,
        AttachStderr: !isDetached,
        AttachStdout: !isDetached,
        DetachKeys: detachKeys,
        Env,
        WorkingDir: flags.text('workdir') ?? '',
        Cmd: command,
      },
    })
    const start = {
      method: 'POST',
      path: `/exec/${Id}/start`,
      body: { Detach: isDetached, Tty: tty, ...ConsoleSize },
    } as const
    if (isDetached) {
      await connection.send(start)
      return 0
    }
    const stream = await connection.hijack(start)
    if (tty && isTerminal(0))
      followSize((h, w) => connection.send({ method: 'POST', path: `/exec/${Id}/resize`, query: { h, w } }))
    const end = await runSession(shell, stream, { stdin, tty, stdout: true, stderr: true, detachKeys })
    if (end === 'detached') throw new ExitCode(1, 'read escape sequence')
    const { ExitCode: code } = await connection.json<{ ExitCode: number | null }>({
      method: 'GET',
      path: `/exec/${Id}/json`,
    })
    return code ?? 0
  },
}
