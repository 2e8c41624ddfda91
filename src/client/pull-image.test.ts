import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeDrawing } from './pull-image.ts'

const MB = 1_000_000
const message = (id: string, status: string, current: number) => ({
  ...{ id, status, progressDetail: { current, total: 10 * MB } },
})

/** What a terminal shows in the end: cursor movements are carried out. */
function screenOf(texts: readonly string[]): string[] {
  const lines: string[] = ['']
  let row = 0
  for (const [, up, down, clear, newline, home, text] of texts
    .join('')
    .matchAll(/\x1b\[(\d+)A|\x1b\[(\d+)B|(\x1b\[2K)|(\n)|(\r)|([^\x1b\n\r]+)/g)) {
    if (up !== undefined) row -= Number(up)
    else if (down !== undefined) row += Number(down)
    else if (clear !== undefined) lines[row] = ''
    else if (newline !== undefined) row++
    else if (home === undefined) lines[row] = (lines[row] ?? '') + text
    lines[row] ??= ''
  }
  return lines.map((line) => line.trimEnd()).filter((line) => line !== '')
}

test('each layer keeps a line of its own, with its speed and what is left once a second has passed', () => {
  let now = 0
  const draw = makeDrawing(
    true,
    () => 140,
    () => now,
  )
  const texts = [
    draw({ status: 'Pulling from x' }),
    draw(message('aaa', 'Downloading', 0)),
    draw(message('bbb', 'Downloading', 0)),
  ]
  now = 2000
  texts.push(draw(message('aaa', 'Downloading', 4 * MB)), draw(message('bbb', 'Downloading', 1 * MB)))
  const lines = screenOf(texts)
  assert.equal(lines.length, 3)
  assert.match(lines[1] ?? '', /^aaa: Downloading \[=+> +\] +4MB\/10MB {2}2MB\/s, 3s left$/)
  assert.match(lines[2] ?? '', /^bbb: Downloading .* 1MB\/10MB {2}500kB\/s, 18s left$/)
  now = 3000
  texts.push(draw(message('aaa', 'Extracting', 1 * MB)), draw(message('bbb', 'Downloading', 10 * MB)))
  const after = screenOf(texts)
  assert.match(after[1] ?? '', /^aaa: Extracting .* 1MB\/10MB$/)
  assert.match(after[2] ?? '', /^bbb: Downloading .* 10MB\/10MB$/)
})

test('where there is no room there is no speed, and no bar where there is less', () => {
  let now = 0
  const shown = (columns: number) => {
    now = 0
    const draw = makeDrawing(
      true,
      () => columns,
      () => now,
    )
    const texts = [draw(message('aaa', 'Downloading', 0))]
    now = 2000
    return screenOf([...texts, draw(message('aaa', 'Downloading', 4 * MB))]).join('')
  }
  assert.doesNotMatch(shown(120), /left/)
  assert.match(shown(100), /^aaa: Downloading +4MB\/10MB {2}2MB\/s, 3s left$/)
  assert.doesNotMatch(shown(60), /left/)
})

test('without a terminal only whole lines are written', () => {
  const draw = makeDrawing(false, () => 200)
  assert.equal(draw(message('aaa', 'Downloading', 4 * MB)), '')
  assert.equal(draw({ id: 'aaa', status: 'Pull complete' }), 'aaa: Pull complete\n')
})
