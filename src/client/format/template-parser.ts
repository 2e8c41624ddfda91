// The syntax of Go's text/template: text and actions into a tree.
import { Failure } from '../../base/failure.ts'

export type Expression =
  | { kind: 'field'; path: string[] }
  | { kind: 'variable'; name: string; path: string[] }
  | { kind: 'literal'; value: unknown }
  | { kind: 'identifier'; name: string }
  | { kind: 'group'; pipeline: Pipeline; path: string[] }

export interface Pipeline {
  /** `$x :=`; for range the value's variable. */
  variable: string | undefined
  commands: Expression[][]
}

type Block = { pipeline: Pipeline; body: Node[]; otherwise: Node[] }
export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipeline: Pipeline }
  | ({ kind: 'if' } & Block)
  | ({ kind: 'with' } & Block)
  | ({ kind: 'range'; key: string | undefined } & Block)

interface Open {
  node: Extract<Node, { body: Node[] }>
  target: Node[]
  /** How many blocks one `end` closes: `else if` opens another. */
  depth: number
}

/** Throws Failure in Go's words where blocks do not match or an action is malformed. */
export function parseTemplate(text: string): Node[] {
  const root: Node[] = []
  const open: Open[] = []
  const target = () => open.at(-1)?.target ?? root
  for (const piece of split(text)) {
    if (typeof piece === 'string') {
      if (piece !== '') target().push({ kind: 'text', text: piece })
      continue
    }
    const [, keyword = '', rest = ''] = /^(if|range|with|else|end)?\b\s*([\s\S]*)$/.exec(piece.action) ?? []
    if (keyword === 'end') closeBlock(open)
    else if (keyword === 'else') turnToElse(open, rest)
    else if (keyword === '') target().push({ kind: 'action', pipeline: parsePipeline(piece.action) })
    else {
      const node = openNode(keyword as 'if' | 'range' | 'with', rest)
      target().push(node)
      open.push({ node, target: node.body, depth: 1 })
    }
  }
  if (open.length > 0) throw malformed('unexpected EOF')
  return root
}

function openNode(keyword: 'if' | 'range' | 'with', text: string): Extract<Node, { body: Node[] }> {
  if (keyword !== 'range') return { kind: keyword, pipeline: parsePipeline(text), body: [], otherwise: [] }
  const pair = /^(\$\w+)\s*,\s*(\$\w+\s*:=[\s\S]*)$/.exec(text)
  return { kind: 'range', key: pair?.[1], pipeline: parsePipeline(pair?.[2] ?? text), body: [], otherwise: [] }
}

function closeBlock(open: Open[]): void {
  const block = open.pop()
  if (block === undefined) throw malformed('unexpected {{end}}')
  for (let more = block.depth; more > 1; more--) open.pop()
}

function turnToElse(open: Open[], rest: string): void {
  const block = open.at(-1)
  if (block === undefined) throw malformed('unexpected {{else}}')
  block.target = block.node.otherwise
  const nested = /^(if|with)\s+([\s\S]*)$/.exec(rest)
  if (nested === null) return
  const node = openNode(nested[1] as 'if' | 'with', nested[2] ?? '')
  block.target.push(node)
  open.push({ node, target: node.body, depth: block.depth + 1 })
}

/** Text and actions in turn; `{{-` and `-}}` trim the text beside them, comments vanish. */
function* split(text: string): Generator<string | { action: string }> {
  let rest = text
  let trimNext = false
  for (;;) {
    const start = rest.indexOf('{{')
    let before = start < 0 ? rest : rest.slice(0, start)
    if (trimNext) before = before.trimStart()
    if (start < 0) {
      yield before
      return
    }
    const end = findEnd(rest, start + 2)
    let action = rest.slice(start + 2, end)
    if (/^-\s/.test(action)) {
      before = before.trimEnd()
      action = action.slice(1)
    }
    trimNext = /\s-$/.test(action)
    if (trimNext) action = action.slice(0, -1)
    yield before
    action = action.trim()
    if (!action.startsWith('/*')) yield { action }
    rest = rest.slice(end + 2)
  }
}

/** The closing braces, outside of quotes. */
function findEnd(text: string, from: number): number {
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const letter = text[at] ?? ''
    if (quote !== '') {
      if (letter === '\\' && quote === '"') at++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === '`') quote = letter
    else if (text.startsWith('}}', at)) return at
  }
  throw malformed('unclosed action')
}

const TOKEN = /\s+|(:=)|("(?:[^"\\]|\\.)*"|`[^`]*`)|(-?\d+(?:\.\d+)?)|(\$\w*(?:\.\w+)*)|((?:\.\w+)+|\.)|(\w+)|([|()])/y

function tokenize(text: string): string[] {
  const tokens: string[] = []
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex
    const match = TOKEN.exec(text)
    if (match === null) throw malformed(`unexpected ${JSON.stringify(text[at])} in operand`)
    if (match[0].trim() !== '') tokens.push(match[0])
  }
  return tokens
}

function parsePipeline(text: string): Pipeline {
  const tokens = tokenize(text)
  if (tokens.length === 0) throw malformed('missing value for command')
  const pipeline = readPipeline(tokens)
  if (tokens.length > 0) throw malformed(`unexpected ${JSON.stringify(tokens[0])} in operand`)
  return pipeline
}

function readPipeline(tokens: string[]): Pipeline {
  let variable: string | undefined
  if (tokens[1] === ':=') {
    variable = tokens.shift()
    tokens.shift()
  }
  const commands: Expression[][] = [[]]
  while (tokens.length > 0 && tokens[0] !== ')') {
    const token = tokens.shift() ?? ''
    if (token === '|') commands.push([])
    else commands.at(-1)?.push(readExpression(token, tokens))
  }
  if (commands.some((command) => command.length === 0)) throw malformed('missing value for command')
  return { variable, commands }
}

const CONSTANT: Record<string, unknown> = { true: true, false: false, nil: undefined }

function readExpression(token: string, tokens: string[]): Expression {
  if (token === '(') {
    const pipeline = readPipeline(tokens)
    if (tokens.shift() !== ')') throw malformed('unclosed left paren')
    const next = tokens[0]
    return { kind: 'group', pipeline, path: next?.startsWith('.') && next !== '.' ? pathOf(tokens.shift() ?? '') : [] }
  }
  if (token.startsWith('"')) return { kind: 'literal', value: JSON.parse(token) }
  if (token.startsWith('`')) return { kind: 'literal', value: token.slice(1, -1) }
  if (/^-?\d/.test(token)) return { kind: 'literal', value: Number(token) }
  if (token.startsWith('$')) {
    const [name = '$', ...path] = token.split('.')
    return { kind: 'variable', name, path }
  }
  if (token.startsWith('.')) return { kind: 'field', path: pathOf(token) }
  if (token in CONSTANT) return { kind: 'literal', value: CONSTANT[token] }
  return { kind: 'identifier', name: token }
}

function pathOf(token: string): string[] {
  return token.split('.').filter((part) => part !== '')
}

function malformed(why: string): Failure {
  return new Failure('invalid-argument', `template parsing error: template: :1: ${why}`)
}
