// Named places at which a test can make a program die, fail or wait. The grammar is that of FreeBSD's fail(9):
//
//   name=term->term->…;name=…      term: [percent%][count*]action[(argument)]
//
// A term with a count is used that many times, then the next one has its turn; one that a percentage passes over leaves the hit to the next.
import { constants } from 'node:os'
import { Failure } from './failure.ts'

type Action =
  | { kind: 'off' }
  /** SIGKILL to the process itself: nothing is undone, nothing is flushed. */
  | { kind: 'kill' }
  /** Throws; an argument such as `ENOSPC` makes it a system error of that name. */
  | { kind: 'error'; text: string }
  /** Blocks the thread, as a slow system call would. */
  | { kind: 'delay'; ms: number }
  /** SIGSTOP to the process itself: whoever waits sees it stopped, and continues or kills it. */
  | { kind: 'pause' }

interface Term {
  action: Action
  percent: number
  /** Infinity where no count was given. */
  left: number
}

const TERM = /^(?:(\d{1,3}(?:\.\d+)?)%)?(?:(\d{1,9})\*)?(off|kill|error|delay|pause)(?:\(([^()]*)\))?$/

/** What `text` says, by name. Throws `invalid-argument` for a name that is not among `names` and for anything else that is not understood. */
export function parseFailpoints(text: string, names: readonly string[]): Map<string, Term[]> {
  const found = new Map<string, Term[]>()
  for (const setting of text.split(';').filter((each) => each.trim() !== '')) {
    const equals = setting.indexOf('=')
    const name = setting.slice(0, Math.max(0, equals)).trim()
    if (!names.includes(name)) throw new Failure('invalid-argument', `no failpoint is named ${JSON.stringify(name)}`)
    found.set(
      name,
      setting
        .slice(equals + 1)
        .trim()
        .split('->')
        .map(parseTerm),
    )
  }
  return found
}

function parseTerm(text: string): Term {
  const [matched, percent, count, kind, argument] = TERM.exec(text) ?? []
  if (matched === undefined || kind === undefined)
    throw new Failure('invalid-argument', `failpoint term ${JSON.stringify(text)} is not understood`)
  return {
    action: actionOf(kind, argument ?? ''),
    percent: percent === undefined ? 100 : Number(percent),
    left: count === undefined ? Number.POSITIVE_INFINITY : Number(count),
  }
}

function actionOf(kind: string, argument: string): Action {
  switch (kind) {
    case 'kill':
    case 'pause':
      return { kind }
    case 'error':
      return { kind, text: argument }
    case 'delay':
      if (!/^\d{1,7}$/.test(argument))
        throw new Failure('invalid-argument', `failpoint delay of ${JSON.stringify(argument)} ms`)
      return { kind, ms: Number(argument) }
    default:
      return { kind: 'off' }
  }
}

/** The action of this hit; undefined for none. Uses up counts. */
export function nextAction(terms: readonly Term[], random: () => number = Math.random): Action | undefined {
  for (const term of terms) {
    if (term.left === 0 || random() * 100 >= term.percent) continue
    term.left--
    return term.action
  }
  return undefined
}

/**
 * The function to call at each place. Without `text` it does nothing, and costs no more than its call. Counts are each thread's own.
 * @param text an environment variable's value, read once.
 */
export function openFailpoints<Name extends string>(
  names: readonly Name[],
  text: string | undefined,
): (name: Name) => void {
  if (text === undefined || text === '') return () => {}
  const settings = parseFailpoints(text, names)
  return (name) => {
    const terms = settings.get(name)
    const action = terms && nextAction(terms)
    if (action !== undefined) act(name, action)
  }
}

function act(name: string, action: Action): void {
  switch (action.kind) {
    case 'off':
      return
    case 'kill':
      process.kill(process.pid, 'SIGKILL')
      sleep(60_000) // the signal may reach another thread first; this one must not get any further
      return
    case 'error':
      throw errorOf(name, action.text)
    case 'delay':
      return sleep(action.ms)
    case 'pause':
      process.kill(process.pid, 'SIGSTOP')
      return
  }
}

function errorOf(name: string, text: string): Error {
  const errno = (constants.errno as Record<string, number>)[text]
  if (errno === undefined) return new Failure('unknown', text === '' ? `failpoint ${name}` : text)
  return Object.assign(new Error(`${text}: failpoint ${name}`), { code: text, errno: -errno, syscall: name })
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
