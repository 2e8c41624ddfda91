// What a client uploads: a tar archive, plain or compressed by whatever Docker takes. The kind is known by the first bytes.
import { spawn } from 'node:child_process'
import { pipeline, Readable } from 'node:stream'
import { Failure } from '../../base/failure.ts'
import { loadDecompress } from '../../wire/compression/decompress.ts'
import { peekStart } from '../../wire/compression/peek-start.ts'

const XZ = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
const BZIP2 = Buffer.from([0x42, 0x5a, 0x68])

/** Throws Failure('invalid-argument') for damaged data. */
export async function* decompressUpload(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const { start, whole } = await peekStart(source, XZ.length)
  if (start.subarray(0, XZ.length).equals(XZ)) yield* byProgram(whole, 'xz', ['-d', '-c', '-q'])
  else if (start.subarray(0, BZIP2.length).equals(BZIP2)) yield* byProgram(whole, 'bzip2', ['-d', '-c', '-q'])
  else yield* (await loadDecompress(start))(whole)
}

/** As Docker does it: the decoder is a program of the machine's, and a process of its own. */
async function* byProgram(source: AsyncIterable<Buffer>, program: string, args: string[]): AsyncGenerator<Buffer> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let words = ''
  child.stderr.on('data', (bytes: Buffer) => (words = (words + bytes.toString()).slice(0, WORDS_MAX)))
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT'
          ? new Failure('unknown', `exec: "${program}": executable file not found in $PATH`)
          : error,
      ),
    )
    child.once('close', resolve)
  })
  ended.catch(() => {})
  // It ends early where the data is damaged; its exit says so.
  pipeline(Readable.from(source, { objectMode: false }), child.stdin, () => {})
  try {
    yield* child.stdout as AsyncIterable<Buffer>
    const code = await ended
    if (code !== 0) throw new Failure('invalid-argument', `${program}: ${words.trim() || `exit status ${code}`}`)
  } finally {
    child.kill('SIGKILL')
  }
}

const WORDS_MAX = 4096
