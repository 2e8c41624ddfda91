import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderTemplate } from './template.ts'

const DATA = {
  Name: 'web',
  Labels: { b: '2', a: '1' },
  Ports: [80, 443],
  State: { Running: true, Pid: 0 },
  Nothing: null,
}

const cases: [string, string][] = [
  ['{{.Name}}', 'web'],
  ['{{.State.Running}} {{.State.Pid}}', 'true 0'],
  ['{{json .Ports}}', '[80,443]'],
  ['{{.Labels}}', 'map[a:1 b:2]'],
  ['{{index .Labels "a"}} {{index .Ports 1}}', '1 443'],
  ['{{if .State.Running}}up{{else}}down{{end}}', 'up'],
  ['{{if .State.Pid}}a{{else if eq .Name "web"}}b{{else}}c{{end}}!', 'b!'],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}', 'a=1;b=2;'],
  ['{{range .Ports}}{{.}} {{end}}', '80 443 '],
  ['{{range .Nothing}}x{{else}}none{{end}}', 'none'],
  ['{{with .State}}{{.Running}}{{end}}', 'true'],
  ['{{$x := .Name}}{{upper $x | printf "%-5s|"}}', 'WEB  |'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{len .Ports}}{{/* nothing */}}', '2'],
  ['{{(index .Ports 0)}}', '80'],
  ['{{if and .Name (not .Nothing)}}yes{{end}}', 'yes'],
  ['{{.Nothing}}', '<nil>'],
  ['{{join (split "a,b" ",") "-"}}', 'a-b'],
]

for (const [template, want] of cases)
  test(`template ${template}`, () => assert.equal(renderTemplate(template, DATA), want))

test('malformed templates and missing fields are errors', () => {
  assert.throws(() => renderTemplate('{{.Name', DATA), /unclosed action/)
  assert.throws(() => renderTemplate('{{if .Name}}', DATA), /unexpected EOF/)
  assert.throws(() => renderTemplate('{{end}}', DATA), /unexpected \{\{end\}\}/)
  assert.throws(() => renderTemplate('{{nope .Name}}', DATA), /function "nope" not defined/)
  assert.throws(() => renderTemplate('{{.Missing}}', DATA), /map has no entry for key "Missing"/)
})
