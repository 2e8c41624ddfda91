// Byte streams over Node's sockets, over TLS, and over the standard streams of a program such as ssh.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Duplex, type Readable, type Writable } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { Failure } from '../../base/failure.ts'
import { type ByteStream, Inbox, type Target, type TlsFiles } from './byte-stream.ts'

export async function openNodeStream(target: Target): Promise<ByteStream> {
  if (target.kind === 'command') return openCommandStream(target.argv)
  if (target.kind === 'unix') {
    const socket = connect(target.path)
    await once(socket, 'connect')
    return wrap(socket, socket)
  }
  const socket = target.tls
    ? connectTls({
        host: target.host,
        port: target.port,
        servername: serverName(target.host),
        ...tlsOptions(target.tls),
      })
    : connect(target.port, target.host)
  await once(socket, target.tls ? 'secureConnect' : 'connect')
  ;(socket as Socket).setNoDelay(true)
  return wrap(socket, socket)
}

/** An address is no name to indicate (RFC 6066). */
function serverName(host: string): string {
  return /^[\d.]+$|:/.test(host) ? '' : host
}

function tlsOptions({ ca, cert, key, verify }: TlsFiles) {
  return {
    rejectUnauthorized: verify,
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(cert === undefined ? {} : { cert: readFileSync(cert) }),
    ...(key === undefined ? {} : { key: readFileSync(key) }),
  }
}

/** The program's standard input and output are the connection; its complaints become the error's text. */
async function openCommandStream(argv: readonly string[]): Promise<ByteStream> {
  const [program = '', ...rest] = argv
  const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] })
  await once(child, 'spawn')
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 4096) complaint += chunk.toString()
  })
  const stream = wrap(child.stdout, child.stdin)
  const ended = once(child, 'close') as Promise<[number | null]>
  return {
    ...stream,
    async read() {
      const chunk = await stream.read()
      if (chunk !== undefined) return chunk
      const [code] = await ended
      if (code === 0 || code === null) return undefined
      throw new Failure(
        'unavailable',
        `command [${argv.join(' ')}] has exited with exit status ${code}, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=${complaint}`,
      )
    },
    destroy() {
      stream.destroy()
      child.kill()
    },
    get isOpen() {
      return stream.isOpen
    },
  }
}

function wrap(input: Readable, output: Writable): ByteStream {
  const inbox = new Inbox((isSlow) => {
    if (isSlow) input.pause()
    else if (input.isPaused()) input.resume()
  })
  input.on('data', (chunk: Uint8Array) => inbox.push(chunk))
  input.on('end', () => inbox.end())
  input.on('close', () => inbox.end())
  input.on('error', (error) => inbox.end(error))
  if (!(output instanceof Duplex)) output.on('error', (error) => inbox.end(error))
  return {
    read: () => inbox.read(),
    unread: (bytes) => inbox.unread(bytes),
    async write(bytes) {
      if (!output.writable || output.write(bytes)) return
      await Promise.race([once(output, 'drain'), once(output, 'close')]).catch(() => {}) // the reading side tells of it
    },
    endWrite: () => void output.end(),
    destroy() {
      inbox.end()
      input.destroy()
      output.destroy()
    },
    get isOpen() {
      return !inbox.isEnded && !input.destroyed
    },
  }
}
