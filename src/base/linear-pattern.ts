// Regular expressions from clients. JavaScript's own engine backtracks, and a pattern of ten characters can keep it busy for years; Go's,
// which Docker and containerd use, can't. V8 has an engine of that kind too, behind a flag that makes no difference to other patterns.
import { setFlagsFromString } from 'node:v8'
import { Failure } from './failure.ts'

export interface LinearPattern {
  test(text: string): boolean
}

/** What is left of a pattern after its counts are written out. */
const PATTERN_LENGTH_MAX = 16_384
/** V8's linear engine copies what is counted, and takes no more copies than this; Go takes 1000. */
const COPIES_MAX = 16
const COUNT_MAX = 1000

let isEnabled = false
/** A client asks again and again for the same. */
const recent = new Map<string, LinearPattern>()
const RECENT_MAX = 16

/**
 * Go's syntax as far as people use it in filters, with `(?ims)` in front. Time to test is the product of both lengths at most.
 * Throws Failure('invalid-argument') for what is no pattern, and for what has no linear way (back references, lookaround).
 */
export function compileLinearPattern(pattern: string): LinearPattern {
  let compiled = recent.get(pattern)
  if (compiled === undefined) {
    compiled = compile(pattern)
    if (recent.size >= RECENT_MAX) recent.delete(recent.keys().next().value as string)
    recent.set(pattern, compiled)
  }
  return compiled
}

function compile(pattern: string): LinearPattern {
  const flags = /^\(\?([ims]+)\)/.exec(pattern)
  const ignoresCase = flags?.[1]?.includes('i') === true
  const body = writeOutCounts(flags ? pattern.slice(flags[0].length) : pattern)
  const source = ignoresCase ? lowerCase(body) : body
  const expression = newLinear(source, `l${[...new Set(flags?.[1])].filter((flag) => flag !== 'i').join('')}`)
  return { test: (text) => expression.test(ignoresCase ? text.toLowerCase() : text) }
}

function newLinear(source: string, flags: string): RegExp {
  if (!isEnabled) setFlagsFromString('--enable-experimental-regexp-engine')
  isEnabled = true
  if (source.length > PATTERN_LENGTH_MAX) throw invalid('too long')
  try {
    return new RegExp(source, flags)
  } catch (error) {
    throw invalid((error as Error).message.replace(/^.*\/\w*: /s, ''))
  }
}

/** Not `\S`, `\W` and their like, which mean another thing in lower case. The linear engine has no way of its own to do this. */
function lowerCase(pattern: string): string {
  return pattern.replace(/\\.|[^\\]+/gs, (part) => (part.startsWith('\\') ? part : part.toLowerCase()))
}

/** `[a-f]{64}` as 64 times `[a-f]`, where the engine would refuse to count that far. */
function writeOutCounts(pattern: string): string {
  return pattern.replace(
    /(\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\[\](){}*+?|^$])\{(\d{1,4})(,?)(\d{0,4})\}/gs,
    (whole, atom: string, low: string, comma: string, high: string) => {
      const [least, most] = [Number(low), comma === '' ? Number(low) : high === '' ? Infinity : Number(high)]
      if (least <= COPIES_MAX && (most <= COPIES_MAX || most === Infinity)) return whole
      if (least > COUNT_MAX || (most > COUNT_MAX && most !== Infinity) || least > most)
        throw invalid('bad repeat count')
      return atom.repeat(least) + (most === Infinity ? `${atom}*` : `(?:${atom})?`.repeat(most - least))
    },
  )
}

function invalid(reason: string): Failure {
  return new Failure('invalid-argument', `invalid regular expression: ${reason}`)
}
