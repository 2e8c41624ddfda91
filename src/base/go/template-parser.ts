// The syntax of Go's text/template: tokens into a tree. What is wrong is told in the words of text/template/parse.
import { goQuote } from './go-quote.ts'
import type { GoFloat } from './go-float.ts'
import { isFunction } from './template-functions.ts'
import { describeToken, lineAt, type Token, type TokenKind, tokenize } from './template-lexer.ts'
import { parseCharacter, parseNumber, unquoteGo } from './template-literals.ts'
import { TemplateError } from './template-error.ts'
import type { Expression, Node, Pipeline, Template } from './template-nodes.ts'

/** Nested blocks and parentheses; no output of ours needs as many. */
const DEPTH_MAX = 200

/** Throws TemplateError. */
export function parseTemplate(source: string): Template {
  return new Parser(source).parse()
}

type Ending = 'end' | 'else'

class Parser {
  readonly #source: string
  readonly #tokens: readonly Token[]
  #next = 0
  #loops = 0
  #depth = 0
  #variables: string[] = ['$']
  readonly #named = new Map<string, readonly Node[]>()

  constructor(source: string) {
    this.#source = source
    this.#tokens = tokenize(source)
  }

  parse(): Template {
    const body: Node[] = []
    while (this.#peek().kind !== 'end') {
      if (this.#isDefinition()) {
        this.#definition()
        continue
      }
      const node = this.#textOrAction()
      if (node === 'end' || node === 'else') throw this.#fail(`unexpected {{${node}}}`)
      if (node !== undefined) body.push(node)
    }
    return { source: this.#source, body, named: this.#named }
  }

  #take(): Token {
    return this.#tokens[Math.min(this.#next++, this.#tokens.length - 1)] as Token
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] as Token
  }

  #skipSpace(): void {
    while (this.#peek().kind === 'space') this.#next++
  }

  #takeWord(): Token {
    this.#skipSpace()
    return this.#take()
  }

  #peekWord(): Token {
    this.#skipSpace()
    return this.#peek()
  }

  #fail(why: string): TemplateError {
    const at = this.#tokens[Math.max(0, Math.min(this.#next, this.#tokens.length) - 1)]?.at ?? 0
    return new TemplateError('parse', why, lineAt(this.#source, at))
  }

  #unexpected(token: Token, context: string): TemplateError {
    return this.#fail(`unexpected ${describeToken(token)} in ${context}`)
  }

  #expect(kind: TokenKind, context: string): Token {
    const token = this.#takeWord()
    if (token.kind !== kind) throw this.#unexpected(token, context)
    return token
  }

  #isDefinition(): boolean {
    if (this.#peek().kind !== 'left delimiter') return false
    const start = this.#next
    this.#next++
    const isDefinition = this.#peekWord().text === 'define' && this.#peek().kind === 'keyword'
    this.#next = start
    return isDefinition
  }

  #definition(): void {
    this.#next++
    this.#takeWord()
    const name = this.#templateName('define clause')
    this.#expect('right delimiter', 'define clause')
    this.#inOwnScope(() => {
      const { body, ending } = this.#list()
      if (ending !== 'end') throw this.#fail(`unexpected {{${ending}}} in define clause`)
      this.#named.set(name, body)
    })
  }

  /** Templates of their own see no variables but `$`. */
  #inOwnScope(work: () => void): void {
    const [variables, loops] = [this.#variables, this.#loops]
    this.#variables = ['$']
    this.#loops = 0
    work()
    this.#variables = variables
    this.#loops = loops
  }

  #templateName(context: string): string {
    const token = this.#takeWord()
    if (token.kind === 'string' || token.kind === 'raw string') return this.#unquote(token)
    throw this.#unexpected(token, context)
  }

  #unquote({ kind, text }: Token): string {
    const value = kind === 'raw string' ? text.slice(1, -1) : unquoteGo(text)
    if (value === undefined) throw this.#fail('invalid syntax')
    return value
  }

  /** Up to the end or the else that belongs to the block around it. */
  #list(): { body: Node[]; ending: Ending } {
    if (++this.#depth > DEPTH_MAX) throw this.#fail('too many nested blocks')
    const body: Node[] = []
    while (this.#peek().kind !== 'end') {
      const node = this.#textOrAction()
      if (node === 'end' || node === 'else') {
        this.#depth--
        return { body, ending: node }
      }
      if (node !== undefined) body.push(node)
    }
    throw this.#fail('unexpected EOF')
  }

  #textOrAction(): Node | Ending | undefined {
    const token = this.#take()
    if (token.kind === 'text') return { kind: 'text', text: token.text }
    if (token.kind === 'left delimiter') return this.#action()
    throw this.#unexpected(token, 'input')
  }

  #action(): Node | Ending {
    const token = this.#takeWord()
    if (token.kind === 'keyword' && token.text !== 'define') return this.#keyword(token.text)
    this.#next--
    return { kind: 'action', pipeline: this.#pipeline('command', 'right delimiter') }
  }

  #keyword(word: string): Node | Ending {
    switch (word) {
      case 'end':
        this.#expect('right delimiter', 'end')
        return 'end'
      case 'else':
        return this.#else()
      case 'break':
      case 'continue':
        return this.#jump(word)
      case 'template':
        return this.#templateCall()
      case 'block':
        return this.#block()
      default:
        return this.#control(word as 'if' | 'range' | 'with')
    }
  }

  /** `else if` and `else with` are left for the block that they belong to. */
  #else(): Ending {
    const next = this.#peekWord()
    if (next.kind === 'keyword' && (next.text === 'if' || next.text === 'with')) return 'else'
    this.#expect('right delimiter', 'else')
    return 'else'
  }

  #jump(kind: 'break' | 'continue'): Node {
    const token = this.#takeWord()
    if (token.kind !== 'right delimiter') throw this.#unexpected(token, `{{${kind}}}`)
    if (this.#loops === 0) throw this.#fail(`{{${kind}}} outside {{range}}`)
    return { kind }
  }

  #templateCall(): Node {
    const { at } = this.#peekWord()
    const name = this.#templateName('template clause')
    let pipeline: Pipeline | undefined
    if (this.#peekWord().kind === 'right delimiter') this.#next++
    else pipeline = this.#pipeline('template clause', 'right delimiter')
    return templateNode(name, pipeline, at)
  }

  #block(): Node {
    const { at } = this.#peekWord()
    const name = this.#templateName('block clause')
    const pipeline = this.#pipeline('block clause', 'right delimiter')
    this.#inOwnScope(() => {
      const { body, ending } = this.#list()
      if (ending !== 'end') throw this.#fail(`unexpected {{${ending}}} in block clause`)
      if (!this.#named.has(name)) this.#named.set(name, body)
    })
    return templateNode(name, pipeline, at)
  }

  #control(kind: 'if' | 'range' | 'with'): Node {
    const visible = this.#variables.length
    const pipeline = this.#pipeline(kind, 'right delimiter')
    if (kind === 'range') this.#loops++
    const { body, ending } = this.#list()
    if (kind === 'range') this.#loops--
    const otherwise = ending === 'end' ? [] : this.#otherwise(kind)
    this.#variables.length = visible
    return { kind, pipeline, body, otherwise }
  }

  #otherwise(kind: 'if' | 'range' | 'with'): Node[] {
    const next = this.#peek()
    if (kind !== 'range' && next.kind === 'keyword' && next.text === kind) {
      this.#next++
      if (++this.#depth > DEPTH_MAX) throw this.#fail('too many nested blocks')
      const nested = this.#control(kind)
      this.#depth--
      return [nested]
    }
    const { body, ending } = this.#list()
    if (ending !== 'end') throw this.#fail(`expected end; found {{${ending}}}`)
    return body
  }

  #pipeline(context: string, end: TokenKind): Pipeline {
    const { at } = this.#peekWord()
    const { variables, isAssignment } = this.#declarations(context)
    const commands: Expression[][] = []
    for (;;) {
      const token = this.#peekWord()
      if (token.kind === end) {
        this.#next++
        this.#checkPipeline(commands, context)
        const source = sourceOf(variables, isAssignment, commands)
        return { variables, isAssignment, commands, at, source }
      }
      if (!STARTS_OPERAND.has(token.kind)) {
        this.#next++
        throw this.#unexpected(token, context)
      }
      commands.push(this.#command())
    }
  }

  #declarations(context: string): Pick<Pipeline, 'variables' | 'isAssignment'> {
    const variables: string[] = []
    for (;;) {
      const start = this.#next
      if (this.#peekWord().kind !== 'variable') break
      const variable = this.#take()
      const next = this.#peekWord()
      const isComma = next.kind === 'other' && next.text === ','
      if (next.kind !== 'declare' && next.kind !== 'assign' && !isComma) {
        this.#next = start
        break
      }
      this.#next++
      variables.push(variable.text)
      this.#variables.push(variable.text)
      if (!isComma) return { variables, isAssignment: next.kind === 'assign' }
      if (context !== 'range' || variables.length > 1) throw this.#fail(`too many declarations in ${context}`)
      const after = this.#peekWord().kind
      if (after !== 'variable' && after !== 'right delimiter' && after !== ')')
        throw this.#fail('range can only initialize variables')
    }
    return { variables, isAssignment: false }
  }

  #checkPipeline(commands: readonly (readonly Expression[])[], context: string): void {
    if (commands.length === 0) throw this.#fail(`missing value for ${context}`)
    commands.forEach(([first], index) => {
      if (index > 0 && first !== undefined && ['dot', 'nil', 'literal'].includes(first.kind))
        throw this.#fail(`non executable command in pipeline stage ${index + 1}`)
    })
  }

  #command(): Expression[] {
    const words: Expression[] = []
    for (;;) {
      this.#skipSpace()
      const operand = this.#operand()
      if (operand !== undefined) words.push(operand)
      const token = this.#take()
      if (token.kind === 'space') continue
      if (token.kind === 'right delimiter' || token.kind === ')') this.#next--
      else if (token.kind !== 'pipe') throw this.#unexpected(token, 'operand')
      break
    }
    if (words.length === 0) throw this.#fail('empty command')
    return words
  }

  #operand(): Expression | undefined {
    const term = this.#term()
    if (term === undefined || this.#peek().kind !== 'field') return term
    const { at } = this.#peek()
    const path: string[] = []
    while (this.#peek().kind === 'field') path.push(this.#take().text.slice(1))
    const fields = path.map((name) => `.${name}`).join('')
    if (term.kind === 'field') return { ...term, path: [...term.path, ...path], at, source: term.source + fields }
    if (term.kind === 'variable') return { ...term, path, at, source: term.source + fields }
    if (term.kind === 'literal' || term.kind === 'nil' || term.kind === 'dot')
      throw this.#fail(`unexpected . after term ${goQuote(term.source)}`)
    return { kind: 'chain', of: term, path, at, source: term.source + fields }
  }

  #term(): Expression | undefined {
    const token = this.#takeWord()
    const { kind, text, at } = token
    const place = { at, source: text }
    switch (kind) {
      case 'identifier':
        if (!isFunction(text)) throw this.#fail(`function ${goQuote(text)} not defined`)
        return { kind, name: text, ...place }
      case 'dot':
      case 'nil':
        return { kind, ...place }
      case 'variable':
        if (!this.#variables.includes(text)) throw this.#fail(`undefined variable ${goQuote(text)}`)
        return { kind, name: text, path: [], ...place }
      case 'field':
        return { kind, path: [text.slice(1)], ...place }
      case 'boolean':
        return { kind: 'literal', value: text === 'true', ...place }
      case 'number':
      case 'character':
        return { kind: 'literal', value: this.#number(token), ...place }
      case 'string':
      case 'raw string':
        return { kind: 'literal', value: this.#unquote(token), ...place }
      case '(':
        return this.#parenthesized(at)
      default:
        this.#next--
        return undefined
    }
  }

  #parenthesized(at: number): Expression {
    if (++this.#depth > DEPTH_MAX) throw this.#fail('too many nested parentheses')
    const pipeline = this.#pipeline('parenthesized pipeline', ')')
    this.#depth--
    return { kind: 'pipeline', pipeline, at, source: `(${pipeline.source})` }
  }

  #number({ kind, text }: Token): number | GoFloat {
    const value = kind === 'character' ? parseCharacter(text) : parseNumber(text)
    if (value !== undefined) return value
    throw this.#fail(
      kind === 'character' ? `malformed character constant: ${text}` : `illegal number syntax: ${goQuote(text)}`,
    )
  }
}

const STARTS_OPERAND: ReadonlySet<TokenKind> = new Set([
  ...(['boolean', 'character', 'dot', 'field', 'identifier', 'number', 'nil'] as const),
  ...(['raw string', 'string', 'variable', '('] as const),
])

function templateNode(name: string, pipeline: Pipeline | undefined, at: number): Node {
  const argument = pipeline === undefined ? '' : ` ${pipeline.source}`
  return { kind: 'template', name, pipeline, at, source: `{{template ${goQuote(name)}${argument}}}` }
}

function sourceOf(
  variables: readonly string[],
  isAssignment: boolean,
  commands: readonly (readonly Expression[])[],
): string {
  const declared = variables.length === 0 ? '' : `${variables.join(', ')} ${isAssignment ? '=' : ':='} `
  return declared + commands.map((words) => words.map(({ source }) => source).join(' ')).join(' | ')
}
