// POST /exec/{id}/attach, which Docker has not: a further client at an exec that runs, or the first one of one that was started detached.
import type { Duplex } from 'node:stream'
import { within } from '../../base/clock.ts'
import { messageOf } from '../../base/failure.ts'
import { publishContainerEvent } from '../container/publish-event.ts'
import { endClient, splice } from '../container/splice.ts'
import type { Engine } from '../engine.ts'
import type { StreamChoice } from '../streams/container-streams.ts'
import type { Exec } from './exec-store.ts'

/** The end of the output comes a moment before the news of the exit, which the client asks for next. */
const EXIT_NEWS_LIMIT_MS = 2000

/** What is written from now on. The client is ours, and closed when this resolves; never rejects. */
export async function attachExec(
  engine: Engine,
  exec: Exec,
  client: Duplex,
  choice: StreamChoice & { detachKeys: readonly number[] },
): Promise<void> {
  try {
    const shim = await engine.streams.connect(exec.container, exec.id, {
      stdin: choice.stdin && exec.hasInput,
      stdout: choice.stdout,
      stderr: choice.stderr && !exec.config.terminal,
    })
    await spliceExec(engine, exec, client, shim, choice)
  } catch (error) {
    engine.log.warn('attaching to an exec failed', { exec: exec.id, error: messageOf(error) })
    endClient(client)
  }
}

/** Joins them until the output ends, the client leaves or types the keys. */
export async function spliceExec(
  engine: Engine,
  exec: Exec,
  client: Duplex,
  shim: Duplex,
  choice: { stdin: boolean; detachKeys: readonly number[] },
): Promise<void> {
  const { terminal } = exec.config
  const stdin = choice.stdin && exec.hasInput
  const end = await splice(client, shim, {
    stdin,
    detachKeys: stdin && terminal ? choice.detachKeys : undefined,
    endsWithInput: terminal,
    beforeEnd: async () => {
      await within(engine.clock, EXIT_NEWS_LIMIT_MS, exec.exited)
    },
  })
  if (end === 'detached') publishContainerEvent(engine, exec.container, 'exec_detach', { execID: exec.id })
}
