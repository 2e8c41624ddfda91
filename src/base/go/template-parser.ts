// The syntax of Go's text/template: text and actions into a tree whose nodes know where they stand.
import { FUNCTIONS } from './template-functions.ts'
import { TemplateError } from './template-error.ts'
import { type Token, tokenize } from './template-tokens.ts'

interface Place {
  /** Offset of the node in the template, as Go reports it. */
  at: number
  /** The node as Go would print it. */
  source: string
}

export type Expression = Place &
  (
    | { kind: 'dot' }
    | { kind: 'field'; path: string[] }
    | { kind: 'variable'; name: string; path: string[] }
    | { kind: 'literal'; value: unknown }
    | { kind: 'identifier'; name: string }
    | { kind: 'group'; pipeline: Pipeline; path: string[] }
  )

export interface Pipeline {
  /** `$x :=`, or `$x =`; for range the value's variable. */
  variable: string | undefined
  commands: Expression[][]
}

type Block = { pipeline: Pipeline; body: Node[]; otherwise: Node[] }
export type Node =
  | { kind: 'text'; text: string }
  | { kind: 'action'; pipeline: Pipeline }
  | ({ kind: 'if' } & Block)
  | ({ kind: 'with' } & Block)
  | ({ kind: 'range'; key: string | undefined; at: number } & Block)

interface Open {
  node: Extract<Node, { body: Node[] }>
  target: Node[]
  /** How many blocks one `end` closes: `else if` opens another. */
  depth: number
}

/** Throws TemplateError in Go's words where blocks do not match or an action is malformed. */
export function parseTemplate(text: string): Node[] {
  const root: Node[] = []
  const open: Open[] = []
  const target = () => open.at(-1)?.target ?? root
  for (const piece of split(text)) {
    if (typeof piece === 'string') {
      if (piece !== '') target().push({ kind: 'text', text: piece })
      continue
    }
    const tokens = tokenize(piece.action, piece.at)
    const keyword = tokens[0]?.text ?? ''
    if (keyword === 'end') closeBlock(open)
    else if (keyword === 'else') turnToElse(open, tokens.slice(1))
    else if (keyword === 'if' || keyword === 'with' || keyword === 'range') {
      const node = openNode(keyword, tokens.slice(1))
      target().push(node)
      open.push({ node, target: node.body, depth: 1 })
    } else target().push({ kind: 'action', pipeline: parsePipeline(tokens, 'command') })
  }
  if (open.length > 0) throw new TemplateError('parse', 'unexpected EOF')
  return root
}

function openNode(keyword: 'if' | 'range' | 'with', tokens: Token[]): Extract<Node, { body: Node[] }> {
  const block = { body: [], otherwise: [] }
  if (keyword !== 'range') return { kind: keyword, pipeline: parsePipeline(tokens, keyword), ...block }
  const hasKey = tokens[1]?.text === ',' && tokens[0]?.text.startsWith('$')
  const key = hasKey ? tokens[0]?.text : undefined
  const pipeline = parsePipeline(hasKey ? tokens.slice(2) : tokens, 'range')
  return { kind: 'range', key, at: tokens[0]?.at ?? 0, pipeline, ...block }
}

function closeBlock(open: Open[]): void {
  const block = open.pop()
  if (block === undefined) throw new TemplateError('parse', 'unexpected {{end}}')
  for (let more = block.depth; more > 1; more--) open.pop()
}

function turnToElse(open: Open[], rest: Token[]): void {
  const block = open.at(-1)
  if (block === undefined) throw new TemplateError('parse', 'unexpected {{else}}')
  block.target = block.node.otherwise
  const keyword = rest[0]?.text
  if (keyword !== 'if' && keyword !== 'with') return
  const node = openNode(keyword, rest.slice(1))
  block.target.push(node)
  open.push({ node, target: node.body, depth: block.depth + 1 })
}

/** Text and actions in turn; `{{-` and `-}}` trim the text beside them, comments vanish. */
function* split(text: string): Generator<string | { action: string; at: number }> {
  let position = 0
  let trimNext = false
  for (;;) {
    const start = text.indexOf('{{', position)
    let before = text.slice(position, start < 0 ? undefined : start)
    if (trimNext) before = before.trimStart()
    if (start < 0) {
      yield before
      return
    }
    const end = findEnd(text, start + 2)
    let from = start + 2
    let to = end
    if (/^-\s/.test(text.slice(from, from + 2))) {
      before = before.trimEnd()
      from += 1
    }
    trimNext = /\s-$/.test(text.slice(from, to))
    if (trimNext) to -= 1
    yield before
    const action = text.slice(from, to)
    if (!action.trimStart().startsWith('/*')) yield { action, at: from }
    position = end + 2
  }
}

/** The closing braces, outside of quotes. */
function findEnd(text: string, from: number): number {
  let quote = ''
  for (let at = from; at < text.length; at++) {
    const letter = text[at] ?? ''
    if (quote !== '') {
      if (letter === '\n' && quote === '"') throw new TemplateError('parse', 'unterminated quoted string')
      if (letter === '\\' && quote === '"') at++
      else if (letter === quote) quote = ''
    } else if (letter === '"' || letter === '`') quote = letter
    else if (text.startsWith('}}', at)) return at
  }
  throw new TemplateError('parse', quote === '' ? 'unclosed action' : 'unterminated quoted string')
}

function parsePipeline(tokens: Token[], context: string): Pipeline {
  const rest = [...tokens]
  const pipeline = readPipeline(rest, context)
  const [extra] = rest
  if (extra !== undefined)
    throw new TemplateError('parse', `unexpected ${extra.text === ')' ? 'right paren' : extra.text} in input`)
  return pipeline
}

function readPipeline(tokens: Token[], context: string): Pipeline {
  let variable: string | undefined
  if (tokens[1]?.text === ':=' || tokens[1]?.text === '=') {
    variable = tokens.shift()?.text
    tokens.shift()
  }
  const commands: Expression[][] = [[]]
  while (tokens.length > 0 && tokens[0]?.text !== ')') {
    const token = tokens.shift() as Token
    if (token.text !== '|') commands.at(-1)?.push(readExpression(token, tokens))
    else if (tokens.length > 0) commands.push([]) // a bar at the end is let go, as Go does
  }
  if (commands.some((command) => command.length === 0)) throw new TemplateError('parse', `missing value for ${context}`)
  return { variable, commands }
}

const CONSTANT: Record<string, unknown> = { true: true, false: false, nil: null }

function readExpression({ text, at }: Token, tokens: Token[]): Expression {
  const place = { at, source: text }
  if (text === '(') {
    const inside = readPipeline(tokens, 'parenthesized pipeline')
    if (tokens.shift()?.text !== ')') throw new TemplateError('parse', 'unclosed left paren')
    const path = /^\.\w/.test(tokens[0]?.text ?? '') && tokens[0]?.isJoined ? pathOf(tokens.shift()?.text ?? '') : []
    const source = `(${inside.commands.map((words) => words.map((word) => word.source).join(' ')).join(' | ')})`
    return { kind: 'group', pipeline: inside, path, at, source }
  }
  if (text.startsWith('"')) return { kind: 'literal', value: unquote(text), ...place }
  if (text.startsWith('`')) return { kind: 'literal', value: text.slice(1, -1), ...place }
  if (/^[+-]?\d/.test(text)) return { kind: 'literal', value: Number(text), ...place }
  if (text === '.') return { kind: 'dot', ...place }
  if (text.startsWith('$')) {
    const [name = '$', ...path] = text.split('.')
    return { kind: 'variable', name, path, ...place, at: at + (path.length > 0 ? name.length : 0) }
  }
  if (text.startsWith('.')) {
    const path = pathOf(text)
    return { kind: 'field', path, ...place, at: at + (path.length > 1 ? 1 + (path[0]?.length ?? 0) : 0) }
  }
  if (text in CONSTANT) return { kind: 'literal', value: CONSTANT[text], ...place }
  if (!(text in FUNCTIONS)) throw new TemplateError('parse', `function ${JSON.stringify(text)} not defined`)
  return { kind: 'identifier', name: text, ...place }
}

function unquote(text: string): unknown {
  try {
    return JSON.parse(text.replaceAll('\t', '\\t'))
  } catch {
    throw new TemplateError('parse', 'invalid syntax')
  }
}

function pathOf(token: string): string[] {
  return token.split('.').filter((part) => part !== '')
}
