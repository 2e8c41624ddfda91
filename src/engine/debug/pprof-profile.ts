// Profiles of V8's in the form that pprof reads (github.com/google/pprof, proto/profile.proto), gzipped: `go tool pprof http://…/debug/pprof/profile`.
import type { HeapProfiler, Profiler } from 'node:inspector'
import { gzipSync } from 'node:zlib'
import { int64, message, nested, packed, repeated, text, uint64 } from '../../wire/protobuf/message.ts'

const ValueType = message({ type: int64(1), unit: int64(2) })
const Sample = message({ locationId: packed(1), value: packed(2) })
const Line = message({ functionId: uint64(1), line: int64(2) })
const Location = message({ id: uint64(1), line: nested(4, Line) })
const Callable = message({ id: uint64(1), name: int64(2), systemName: int64(3), filename: int64(4) })
const Profile = message({
  sampleType: repeated(nested(1, ValueType)),
  sample: repeated(nested(2, Sample)),
  location: repeated(nested(4, Location)),
  function: repeated(nested(5, Callable)),
  stringTable: repeated(text(6)),
  timeNanos: int64(9),
  durationNanos: int64(10),
  periodType: nested(11, ValueType),
  period: int64(12),
})

/** Innermost first. */
type Stack = readonly Frame[]

interface Frame {
  functionName: string
  url: string
  lineNumber: number
}

interface Measured {
  /** Pairs of what is counted and its unit. */
  types: readonly (readonly [type: string, unit: string])[]
  samples: readonly { stack: Stack; values: readonly number[] }[]
  startedAtMs: number
  durationMs: number
  period: { type: readonly [string, string]; value: number }
}

/** `samples/count`, `cpu/nanoseconds`. */
export function encodeCpuProfile(profile: Profiler.Profile, startedAtMs: number): Buffer {
  const parents = parentsOf(profile.nodes)
  const spentUs = new Map<number, { count: number; us: number }>()
  profile.samples?.forEach((id, i) => {
    const spent = spentUs.get(id) ?? { count: 0, us: 0 }
    spentUs.set(id, { count: spent.count + 1, us: spent.us + Math.max(0, profile.timeDeltas?.[i] ?? 0) })
  })
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const samples = [...spentUs].map(([id, { count, us }]) => {
    const stack: Frame[] = []
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = nodes.get(at)
      if (node !== undefined && node.callFrame.functionName !== '(root)') stack.push(node.callFrame)
    }
    return { stack, values: [count, us * 1000] }
  })
  const durationMs = (profile.endTime - profile.startTime) / 1000
  const count = profile.samples?.length ?? 0
  return encode({
    types: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    ...{ samples, startedAtMs, durationMs },
    period: { type: ['cpu', 'nanoseconds'], value: count === 0 ? 0 : Math.round((durationMs * 1e6) / count) },
  })
}

/** `inuse_space/bytes`: what was allocated while it was recorded, and is still in use. */
export function encodeHeapProfile(
  profile: HeapProfiler.SamplingHeapProfile,
  recorded: { startedAtMs: number; durationMs: number; intervalBytes: number },
): Buffer {
  const samples: { stack: Stack; values: number[] }[] = []
  const walk = (node: HeapProfiler.SamplingHeapProfileNode, above: Stack): void => {
    const stack = node.callFrame.functionName === '(root)' ? above : [node.callFrame, ...above]
    if (node.selfSize > 0) samples.push({ stack, values: [node.selfSize] })
    for (const child of node.children) walk(child, stack)
  }
  walk(profile.head, [])
  return encode({
    types: [['inuse_space', 'bytes']],
    ...{ samples, startedAtMs: recorded.startedAtMs, durationMs: recorded.durationMs },
    period: { type: ['space', 'bytes'], value: recorded.intervalBytes },
  })
}

function parentsOf(nodes: readonly Profiler.ProfileNode[]): Map<number, number> {
  return new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
}

function encode({ types, samples, startedAtMs, durationMs, period }: Measured): Buffer {
  const strings = new Numbered<string>(0, (each) => each)
  strings.of('') // the table begins with it
  const functions = new Numbered<Frame>(1, ({ functionName, url }) => `${functionName} ${url}`)
  const locations = new Numbered<Frame>(
    1,
    ({ functionName, url, lineNumber }) => `${functionName} ${url} ${lineNumber}`,
  )
  const typed = ([type, unit]: readonly [string, string]) => ({ type: strings.of(type), unit: strings.of(unit) })
  const sampleType = types.map(typed)
  const sample = samples.map(({ stack, values }) => ({
    locationId: stack.map((frame) => locations.of(frame)),
    value: values.map((value) => BigInt(Math.round(value))),
  }))
  const location = locations.all.map((frame, i) => ({
    id: BigInt(i + 1),
    line: { functionId: functions.of(frame), line: BigInt(Math.max(0, frame.lineNumber + 1)) },
  }))
  const named = functions.all.map(({ functionName, url }, i) => {
    const name = strings.of(functionName || '(anonymous)')
    return { id: BigInt(i + 1), name, systemName: name, filename: strings.of(url) }
  })
  const periodType = typed(period.type)
  const bytes = Profile.encode({
    ...{ sampleType, sample, location, function: named, stringTable: strings.all, periodType },
    timeNanos: BigInt(Math.round(startedAtMs)) * 1_000_000n,
    durationNanos: BigInt(Math.round(durationMs * 1e6)),
    period: BigInt(period.value),
  })
  return gzipSync(bytes)
}

/** Each thing once, by its key, with a number. */
class Numbered<T> {
  readonly all: T[] = []
  readonly #numbers = new Map<string, bigint>()
  readonly #first: number
  readonly #keyOf: (thing: T) => string

  constructor(first: number, keyOf: (thing: T) => string) {
    this.#first = first
    this.#keyOf = keyOf
  }

  of(thing: T): bigint {
    const key = this.#keyOf(thing)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = BigInt(this.all.length + this.#first)
    this.all.push(thing)
    this.#numbers.set(key, number)
    return number
  }
}
