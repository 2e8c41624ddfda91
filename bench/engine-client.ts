// The Engine API without the CLI: keeps its connections, as a client library does, and counts nothing of its own start.
import { Agent, type IncomingMessage, request } from 'node:http'
import { must } from '../test/harness/command.ts'
import { interruption } from './interruption.ts'

/** Both sides speak it: Debian's dockerd no newer one. */
const VERSION = '/v1.41'

interface Call {
  method: string
  path: string
  body?: object
}

/** One per number of connections: more requests than that wait for one that is free. */
export class EngineClient implements Disposable {
  readonly #socketPath: string
  readonly #agent: Agent

  constructor(socketPath: string, connections: number) {
    this.#socketPath = socketPath
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections })
  }

  /** The whole answer; a status of 400 or more throws. */
  async ask(method: string, path: string, body?: object): Promise<Buffer> {
    const call = body === undefined ? { method, path } : { method, path, body }
    const response = await this.#send(call, this.#agent)
    const answer = await readAll(response)
    if ((response.statusCode ?? 500) >= 400) throw new Error(`${method} ${path}: ${answer}`)
    return answer
  }

  /** An answer that goes on, over a connection of its own; the caller destroys it. */
  async follow(path: string): Promise<IncomingMessage> {
    const response = await this.#send({ method: 'GET', path }, new Agent())
    response.on('error', () => {}) // it is destroyed in the middle
    return response
  }

  /** Over a connection that is taken over; resolves when it ends, which is with the output. */
  async drain(path: string, body: object): Promise<void> {
    const text = JSON.stringify(body)
    const upgrade = { connection: 'Upgrade', upgrade: 'tcp' }
    const headers = { ...upgrade, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const call = request({ socketPath: this.#socketPath, method: 'POST', path: VERSION + path, headers })
    await new Promise<void>((resolve, reject) => {
      call.once('error', reject)
      call.once('response', (response) => reject(new Error(`POST ${path}: status ${response.statusCode}`)))
      call.once('upgrade', (_response, socket) => {
        socket.on('end', () => socket.end()).once('close', () => resolve())
        socket.once('error', reject).resume()
      })
      call.end(text)
    })
  }

  /** Its ID. */
  async create(body: object, name?: string): Promise<string> {
    const query = name === undefined ? '' : `?name=${name}`
    const answer = await this.ask('POST', `/containers/create${query}`, body)
    return (JSON.parse(answer.toString()) as { Id: string }).Id
  }

  async start(id: string): Promise<void> {
    await this.ask('POST', `/containers/${id}/start`)
  }

  async remove(id: string): Promise<void> {
    await this.ask('DELETE', `/containers/${id}?force=1&v=1`)
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }

  #send({ method, path, body }: Call, agent: Agent): Promise<IncomingMessage> {
    const text = body === undefined ? '' : JSON.stringify(body)
    const length = { 'content-length': Buffer.byteLength(text) }
    const headers = body === undefined ? length : { 'content-type': 'application/json', ...length }
    const options = { socketPath: this.#socketPath, method, path: VERSION + path, headers, agent }
    if (method !== 'DELETE') interruption.throwIfAborted()
    return new Promise((resolve, reject) => {
      request(options, resolve)
        .on('error', (cause) => reject(new Error(`${method} ${path} at ${this.#socketPath}`, { cause })))
        .end(text)
    })
  }
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

/** `work` for each number below `count`, so many of them under way at any time. In order of the numbers. */
export async function inParallel<T>(count: number, width: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      results[index] = await work(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker))
  return results
}

/** For streams that a client of our own kind would slow down: by a program that costs little beside the daemons. What it printed. */
export function curl(socketPath: string, path: string, args: readonly string[]): Promise<string> {
  interruption.throwIfAborted()
  const url = `http://localhost${VERSION}${path}`
  return must(['curl', '-sS', '--fail', '--unix-socket', socketPath, ...args, url], { timeoutMs: 300_000 })
}
