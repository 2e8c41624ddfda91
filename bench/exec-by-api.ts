// What `docker exec c true` asks of an engine, without the CLI: create, start with the output attached, and the exit code.
import { Agent, type IncomingMessage, request } from 'node:http'

const agent = new Agent({ keepAlive: true })

/** Resolves when the process has ended and its code is known to be 0. Two requests go over a connection that is kept, as with the CLI. */
export async function execByApi(socketPath: string, container: string, argv: readonly string[]): Promise<void> {
  const body = { AttachStdout: true, AttachStderr: true, Cmd: argv }
  const created = await ask(socketPath, 'POST', `/v1.41/containers/${container}/exec`, body)
  const { Id: id } = JSON.parse(created) as { Id: string }
  await attached(socketPath, `/v1.41/exec/${id}/start`)
  const { ExitCode: code } = JSON.parse(await ask(socketPath, 'GET', `/v1.41/exec/${id}/json`)) as { ExitCode: number }
  if (code !== 0) throw new Error(`exec ${argv.join(' ')} ended with ${code}`)
}

async function ask(socketPath: string, method: string, path: string, body?: object): Promise<string> {
  const text = body === undefined ? '' : JSON.stringify(body)
  const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': text.length }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, method, path, headers, agent }, resolve).once('error', reject).end(text)
  })
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  const answer = Buffer.concat(parts).toString()
  if ((response.statusCode ?? 500) >= 400) throw new Error(`${method} ${path}: ${answer}`)
  return answer
}

/** The connection is taken over, and ends with the output. */
function attached(socketPath: string, path: string): Promise<void> {
  const text = '{"Detach":false,"Tty":false}'
  const headers = {
    connection: 'Upgrade',
    upgrade: 'tcp',
    'content-type': 'application/json',
    'content-length': text.length,
  }
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'POST', path, headers })
    call.once('error', reject)
    call.once('response', (response) => reject(new Error(`POST ${path}: status ${response.statusCode}`)))
    call.once('upgrade', (_response, socket) => {
      socket.on('end', () => socket.end()).once('close', () => resolve())
      socket.once('error', reject).resume()
    })
    call.end(text)
  })
}
