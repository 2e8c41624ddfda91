// GET /exec/{id}/json.
import { canRemove, type Exec } from './exec-store.ts'

export function inspectExec(exec: Exec, nowMs: number): Record<string, unknown> {
  const { config, state } = exec
  const [entrypoint, ...args] = config.command
  const user = config.user || exec.container.record.config.User || ''
  return {
    ID: exec.id,
    Running: state.kind === 'running' || state.kind === 'starting',
    ExitCode: state.kind === 'exited' ? state.exitCode : null,
    ProcessConfig: {
      tty: config.terminal,
      entrypoint,
      arguments: args,
      privileged: config.privileged,
      ...(user === '' ? {} : { user }),
    },
    OpenStdin: config.attachStdin,
    OpenStderr: config.attachStderr,
    OpenStdout: config.attachStdout,
    CanRemove: canRemove(exec, nowMs),
    ContainerID: exec.container.id,
    DetachKeys: config.detachKeysText === '' ? '' : Buffer.from(config.detachKeys).toString('base64'),
    Pid: state.kind === 'running' || state.kind === 'exited' ? state.pid : 0,
  }
}
