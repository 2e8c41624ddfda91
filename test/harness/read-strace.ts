// A program's changes to a directory, from strace: `strace -f -ff -ttt -T -y -xx -s … -e trace=TRACED`.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DiskChange, DiskEvent } from './power-loss.ts'

export const TRACED =
  'openat,write,pwrite64,writev,pwritev,rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat,rmdir,mkdir,mkdirat,truncate,ftruncate,lseek'

interface Call {
  startMs: number
  endMs: number
  name: string
  args: string
  result: number
}

/** What a descriptor writes next; keyed by its number. */
interface Position {
  at: number | 'end'
  isSync: boolean
}

/** In the order in which the calls ended. Paths are relative to `root`; what lies elsewhere is left out. */
export function readStrace(directory: string, root: string): DiskEvent[] {
  const calls = readdirSync(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'latin1')
      .split('\n')
      .flatMap((line) => parseCall(line) ?? []),
  )
  calls.sort((a, b) => a.endMs - b.endMs)
  const reader = new Reader(root)
  return calls.flatMap((call) =>
    reader.changesOf(call).map((change) => ({ ...change, startMs: call.startMs, endMs: call.endMs })),
  )
}

function parseCall(line: string): Call | undefined {
  const [matched, time, name, args, result, seconds] =
    /^(\d+\.\d+) (\w+)\((.*)\) += (-?\d+)[^=]* <(\d+\.\d+)>$/.exec(line) ?? []
  if (matched === undefined || name === undefined || args === undefined || Number(result) < 0) return undefined
  const startMs = Number(time) * 1000
  return { startMs, endMs: startMs + Number(seconds) * 1000, name, args, result: Number(result) }
}

class Reader {
  readonly #root: string
  readonly #positions = new Map<number, Position>()
  readonly #sizes = new Map<string, number>()

  constructor(root: string) {
    this.#root = root
  }

  changesOf(call: Call): DiskChange[] {
    const paths = stringsOf(call.args).map((text) => this.#inside(text.toString('utf8')))
    const [first] = paths
    switch (call.name) {
      case 'openat':
        return this.#open(call, first)
      case 'mkdir':
      case 'mkdirat':
        return first === undefined || first === '' ? [] : [{ kind: 'mkdir', path: first }]
      case 'rmdir':
        return first === undefined ? [] : [{ kind: 'rmdir', path: first }]
      case 'unlink':
      case 'unlinkat':
        return first === undefined
          ? []
          : [{ kind: call.args.includes('AT_REMOVEDIR') ? 'rmdir' : 'unlink', path: first }]
      case 'rename':
      case 'renameat':
      case 'renameat2':
        return first === undefined || paths[1] === undefined ? [] : this.#rename(first, paths[1])
      case 'truncate':
        return first === undefined ? [] : this.#truncate(first, lastNumber(call.args))
      default:
        return this.#byDescriptor(call)
    }
  }

  #open({ args, result }: Call, path: string | undefined): DiskChange[] {
    this.#positions.set(result, { at: args.includes('O_APPEND') ? 'end' : 0, isSync: args.includes('O_DSYNC') })
    if (path === undefined || !/O_WRONLY|O_RDWR/.test(args)) return []
    const made: DiskChange[] = args.includes('O_CREAT') && !this.#sizes.has(path) ? [{ kind: 'create', path }] : []
    if (made.length > 0) this.#sizes.set(path, 0)
    return args.includes('O_TRUNC') && (this.#sizes.get(path) ?? 0) > 0 ? this.#truncate(path, 0) : made
  }

  #rename(path: string, to: string): DiskChange[] {
    const size = this.#sizes.get(path)
    if (size !== undefined) this.#sizes.set(to, size)
    this.#sizes.delete(path)
    return [{ kind: 'rename', path, to }]
  }

  #truncate(path: string, size: number): DiskChange[] {
    this.#sizes.set(path, size)
    return [{ kind: 'truncate', path, size }]
  }

  #byDescriptor({ name, args, result }: Call): DiskChange[] {
    const [, number = '', target = ''] = /^(\d+)<([^>]*)>/.exec(args) ?? []
    const path = this.#inside(decode(target).toString('utf8'))
    if (path === undefined) return []
    if (name === 'fsync' || name === 'fdatasync') return [{ kind: 'sync', path }]
    if (name === 'ftruncate') return this.#truncate(path, lastNumber(args))
    const position = this.#positions.get(Number(number)) ?? { at: 'end', isSync: false }
    if (name === 'lseek') {
      position.at = result
      return []
    }
    const data = Buffer.concat(stringsOf(args)).subarray(0, result)
    const isPositioned = name.startsWith('pwrite')
    const at = isPositioned ? lastNumber(args) : position.at === 'end' ? (this.#sizes.get(path) ?? 0) : position.at
    if (!isPositioned && position.at !== 'end') position.at = at + data.length
    this.#sizes.set(path, Math.max(this.#sizes.get(path) ?? 0, at + data.length))
    return [{ kind: 'write', path, at, data, isSync: position.isSync }]
  }

  /** '' for the root itself. */
  #inside(path: string): string | undefined {
    if (path === this.#root) return ''
    return path.startsWith(`${this.#root}/`) && !path.endsWith(' (deleted)')
      ? path.slice(this.#root.length + 1)
      : undefined
  }
}

/** What stands in quotation marks, all of it in hexadecimal escapes. */
function stringsOf(args: string): Buffer[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, text = '']) => decode(text))
}

function decode(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex')
}

function lastNumber(args: string): number {
  return Number(/(\d+)$/.exec(args)?.[1] ?? 0)
}
