// What `create` and `run` have in common on their command lines.
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { Failure } from '../base/failure.ts'
import type { Invocation } from './command.ts'
import type { CreationRequest } from './create-container.ts'
import { ioReason } from './io-error.ts'
import { findPassedDescriptors } from './listen-descriptors.ts'
import { withNotifySocket } from './notify-socket.ts'
import { sendPidfd } from './send-pidfd.ts'
import { checkId } from './state-store.ts'
import { loadBundle } from './load-bundle.ts'

/** @param detaches this program ends before the process does. */
export function readCreation(
  invocation: Invocation,
  detaches: boolean,
  environment: NodeJS.ProcessEnv,
): Omit<CreationRequest, 'keep'> {
  const { options, args, settings, log } = invocation
  const loaded = loadBundle(options)
  const { process: spec } = loaded.spec
  if (spec === undefined) throw new Failure('invalid-argument', 'process property must not be empty')
  const passed = findPassedDescriptors(options, environment)
  const consoleSocket = checkConsole(options.text('console-socket'), spec.terminal === true, detaches)
  const pidFile = options.text('pid-file')
  const process = { ...spec, env: [...(spec.env ?? []), ...passed.environment] }
  const id = checkId(args[0] ?? '')
  const tells = Boolean(environment['NOTIFY_SOCKET'])
  const full = { ...loaded.spec, process }
  return {
    settings,
    log,
    id,
    bundle: { ...loaded, spec: tells ? withNotifySocket(full, settings.root, id) : full },
    hasNotifySocket: tells,
    launch: {
      preservedDescriptors: passed.count,
      noPivot: options.flag('no-pivot'),
      noNewKeyring: options.flag('no-new-keyring'),
      ...(consoleSocket === undefined ? {} : { consoleSocket: resolve(loaded.directory, consoleSocket) }),
    },
    onCreated: (pid) => {
      if (pidFile !== undefined && pidFile !== '') writePidFile(resolve(pidFile), pid)
      const socket = options.text('pidfd-socket')
      if (socket !== undefined && socket !== '') sendPidfd(resolve(socket), pid)
    },
  }
}

/** Who relays a terminal: we, as long as we stay, or whoever listens on the socket. */
export function checkConsole(socket: string | undefined, hasTerminal: boolean, detaches: boolean): string | undefined {
  const given = socket === '' ? undefined : socket
  if (detaches && hasTerminal && given === undefined)
    throw new Failure('invalid-argument', 'cannot allocate tty if runc will detach without setting console socket')
  if ((!detaches || !hasTerminal) && given !== undefined)
    throw new Failure('invalid-argument', 'cannot use console socket if runc will not detach or allocate tty')
  return given
}

/** Its watchers see the whole number or nothing: runc's draft name, in the same directory. */
export function writePidFile(path: string, pid: number): void {
  const draft = join(dirname(path), `.${basename(path)}`)
  try {
    writeFileSync(draft, String(pid), { flag: 'w', mode: 0o666 })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw new Failure('invalid-argument', `open ${draft}: ${ioReason(error)}`, { cause: error })
  }
}
