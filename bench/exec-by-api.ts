// What `docker exec c true` asks of an engine, without the CLI: create, start with the output attached, and the exit code.
import { EngineClient } from './engine-client.ts'

/** Resolves when the process has ended and its code is known to be 0. Two requests go over one connection, as with the CLI. */
export async function execByApi(socketPath: string, container: string, argv: readonly string[]): Promise<void> {
  using client = new EngineClient(socketPath, 1)
  const body = { AttachStdout: true, AttachStderr: true, Cmd: argv }
  const created = await client.ask('POST', `/containers/${container}/exec`, body)
  const { Id: id } = JSON.parse(created.toString()) as { Id: string }
  await client.drain(`/exec/${id}/start`, { Detach: false, Tty: false })
  const inspected = await client.ask('GET', `/exec/${id}/json`)
  const { ExitCode: code } = JSON.parse(inspected.toString()) as { ExitCode: number }
  if (code !== 0) throw new Error(`exec ${argv.join(' ')} ended with ${code}`)
}
