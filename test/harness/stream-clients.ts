// Clients at a container's streams: a person at a terminal, and a hijacked connection without a client.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createConnection, type Socket } from 'node:net'
import type { TestEngine } from './berth.ts'
import { eventually } from './command.ts'

/** A hijacked connection: what came so far, and the socket. */
export interface Hijacked {
  socket: Socket
  text(): string
  ended: Promise<void>
}

/** `POST path`, taken over. */
export async function hijack(engine: TestEngine, path: string, body = ''): Promise<Hijacked> {
  const socket = createConnection({ path: engine.socketPath, allowHalfOpen: true })
  let text = ''
  const ended = new Promise<void>((resolve) => socket.once('end', resolve).once('close', () => resolve()))
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => {})
  const headers = `Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(`POST ${path} HTTP/1.1\r\n${headers}${body}`)
  await eventually('the connection is taken over', 5000, () => text.includes('\r\n\r\n'))
  assert.match(text, /^HTTP\/1\.1 101 UPGRADED\r\n/)
  return {
    socket,
    text: () => text.slice(text.indexOf('\r\n\r\n') + 4),
    ended: ended.then(() => void socket.destroy()),
  }
}

/** The payloads of Docker's frames, as `stream:text`. */
export function frames(bytes: string): string[] {
  const found: string[] = []
  for (let rest = Buffer.from(bytes, 'latin1'); rest.length >= 8; ) {
    const length = rest.readUInt32BE(4)
    found.push(`${rest[0]}:${rest.subarray(8, 8 + length).toString()}`)
    rest = rest.subarray(8 + length)
  }
  return found
}

/** Types into a client under a terminal: each piece once what is awaited has been printed. */
export function typing(
  engine: TestEngine,
  args: string[],
  pieces: { after: string; keys: string }[],
): Promise<{ text: string }> {
  return new Promise((resolve, reject) => {
    const line = ['docker', ...args].map((word) => `'${word}'`).join(' ')
    const child = spawn('script', ['-qec', `stty -echo 2>/dev/null; ${line}`, '/dev/null'], {
      env: {
        ...process.env,
        DOCKER_HOST: engine.host,
        DOCKER_CONFIG: `${engine.directory}/docker-config`,
        TERM: 'xterm',
      },
    })
    let text = ''
    const waiting = [...pieces]
    const limit = setTimeout(() => child.kill('SIGKILL'), 20_000)
    const step = () => {
      const next = waiting[0]
      if (next === undefined || !text.includes(next.after)) return
      waiting.shift()
      child.stdin.write(next.keys)
      step()
    }
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      step()
    })
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(limit)
      resolve({ text })
    })
    step()
  })
}
