// Writes src/gen/registry-page.ts: the files that berth-registry gives browsers, the script bundled into one. Committed like all that is
// generated: a build needs no more than the compiler, and the registry carries its page in itself.
//   node build/js/tools/gen-page.js .
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PAGE = 'src/registry/page/browser'
const GENERATED = 'src/gen/registry-page.ts'

/** The module's text. @param root of the tree */
export function formatPage(root: string): string {
  const read = (name: string) => readFileSync(join(root, PAGE, name), 'utf8')
  const files = { html: read('page.html'), style: read('page.css'), icon: read('icon.svg'), script: bundle(root) }
  const members = Object.entries(files).map(([name, text]) => `  ${name}: [\n${linesOf(text)}  ].join('\\n'),\n`)
  return `// Written by \`make gen\` out of ${PAGE}.\n\nexport const REGISTRY_PAGE = {\n${members.join('')}}\n`
}

/** One to a line, so that a change of the page is a change that can be read. */
function linesOf(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${JSON.stringify(line)},\n`)
    .join('')
}

function bundle(root: string): string {
  const bun = join(root, `node_modules/@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)
  const options = ['--target=browser', '--format=esm', '--external', 'node:*']
  const text = execFileSync(bun, ['build', ...options, join(PAGE, 'main.ts')], { cwd: root, encoding: 'utf8' })
  return withoutNode(text)
}

/** Modules that the page shares with servers import what browsers lack, for functions that it does not use. The lines alone are left of it. */
function withoutNode(script: string): string {
  const pattern = /^import \{ ([\w, ]+) \} from "node:\w+";\n/gm
  const rest = script.replace(pattern, '')
  const names = [...script.matchAll(pattern)].flatMap(([, list = '']) => list.split(', '))
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(rest))
  if (used.length > 0 || /\bnode:|^import /m.test(rest)) throw new Error(`the page needs node: ${used.join(', ')}`)
  return rest
}

if (process.argv[1]?.endsWith('gen-page.js') === true) {
  const root = process.argv[2] ?? '.'
  writeFileSync(join(root, GENERATED), formatPage(root))
}
