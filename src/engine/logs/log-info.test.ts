import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { test } from 'node:test'
import { expandTag, extraAttributes, fileAttributes } from './log-info.ts'
import { loggedContainer } from './logged-container.suite.ts'

const TAGS: readonly (readonly [tag: string, text: string])[] = [
  ['plain', 'plain'],
  ['{{.Name}}/{{.ID}}', 'web/c0ffeec0ffee'],
  ['{{.FullID}}', `${'c0ffee'.repeat(10)}abcd`],
  ['{{.ImageName}} {{.ImageID}}', 'busybox:1 123412341234'],
  ['{{.ImageFullID}}', `sha256:${'1234'.repeat(16)}`],
  ['{{.DaemonName}}', 'docker'],
  ['{{.Command}}', 'sh -c true'],
  ['{{.Hostname}}', hostname()],
  ['{{upper .Name}}-{{index .ContainerLabels "tier"}}', 'WEB-front'],
  ['{{if .Name}}{{printf "%s!" .Name}}{{end}}', 'web!'],
]

for (const [tag, text] of TAGS)
  test(`the tag ${tag} becomes ${text}`, () =>
    assert.equal(expandTag(loggedContainer({ options: { tag }, labels: { tier: 'front' } }), ''), text))

test('a tag that is no template, or asks for what is not there, is refused in words of Go', () => {
  const expand = (tag: string) => () => expandTag(loggedContainer({ options: { tag } }), '')
  assert.throws(expand('{{.Nothing}}'), {
    message: `template: log-tag:1:2: executing "log-tag" at <.Nothing>: can't evaluate field Nothing in type *logger.Info`,
  })
  assert.throws(expand('{{.Name'), /^invalid-argument|template: log-tag:1: unclosed action/)
  assert.throws(expand('{{range 1000000000}}x{{end}}'), { code: 'invalid-argument' })
  assert.throws(expand('{{printf "%999999999s" .Name}}'), { code: 'invalid-argument' })
})

test('attributes are the labels and variables that were chosen, by name and by pattern', () => {
  const record = loggedContainer({
    options: { labels: 'a,none', 'labels-regex': '^x', env: 'A,BARE', 'env-regex': '^Z', tag: '{{.Name}}' },
    labels: { a: '1', x1: '2', other: '3' },
    env: ['A=4', 'BARE', 'Z=5', 'Y=6'],
  })
  assert.deepEqual(fileAttributes(record), { A: '4', Z: '5', a: '1', tag: 'web', x1: '2' })
  assert.deepEqual(Object.keys(extraAttributes(record, (name) => `_${name}`)), ['_A', '_Z', '_a', '_x1'])
})
