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

const more: [string, string][] = [
  ['{{define "T"}}<{{.}}>{{end}}{{template "T" .Name}}{{template "T"}}', '<web><<no value>>'],
  ['{{block "B" .Name}}[{{.}}]{{end}}', '[web]'],
  ['{{range .Ports}}{{if eq . 443}}{{break}}{{end}}{{.}}{{end}}', '80'],
  ['{{range .Ports}}{{if eq . 80}}{{continue}}{{end}}{{.}}{{end}}', '443'],
  ['{{or .Name .Missing}}{{and .Nothing .Missing}}', 'web<nil>'],
  ['{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}', '2'],
  [
    '{{printf "%5d|%-5d|%05d|%+d|%x|%q|%.2f|%e" 3 3 3 3 255 "a" 1.5 1.5}}',
    '    3|3    |00003|+3|ff|"a"|1.50|1.500000e+00',
  ],
  ['{{printf "%d" "x"}}{{printf "%s"}}{{printf "x" 1}}', '%!d(string=x)%!s(MISSING)x%!(EXTRA int=1)'],
  ["{{0x10}} {{1_000}} {{1e3}} {{'a'}} {{017}} {{-3}}", '16 1000 1000 97 15 -3'],
  [String.raw`{{"\u00e9\x41\101\n"}}`, 'éAA\n'],
  ['{{html "<a&\\"\'>"}} {{js "a\'b<"}} {{urlquery "a b&c"}}', "&lt;a&amp;&#34;&#39;&gt; a\\'b\\u003C a+b%26c"],
  ['{{print 1 2 "a" "b" 3}}', '1 2a b3'.replace(' b', 'b')],
  ['{{with .Nothing}}a{{else with .Name}}{{.}}{{end}}', 'web'],
  ['{{index . "constructor"}}{{index . "__proto__"}}', ''],
]
for (const [template, want] of more)
  test(`template ${template}`, () => assert.equal(renderTemplate(template, DATA), want))

/** Sixty templates, each of which calls the next one twice. */
function twice(define: (name: number, next: number) => string): string {
  const chain = Array.from({ length: 60 }, (_, index) => define(index, index + 1))
  return `${chain.join('')}{{define "60"}}{{end}}{{template "0"}}`
}

const refused: [string, RegExp][] = [
  ['{{break}}', /template: :1: \{\{break\}\} outside \{\{range\}\}$/],
  ['{{$y}}', /undefined variable "\$y"/],
  ['a\nb\n{{foo}}', /template: :3: function "foo" not defined$/],
  ['{{/* x }}', /unclosed comment/],
  ['{{eq 1 1.0}}', /error calling eq: incompatible types for comparison/],
  ['{{upper 1}}', /template: :1:8: executing "" at <1>: expected string; found 1$/],
  ['{{len}}', /wrong number of args for len: want 1 got 0/],
  ['{{define "T"}}{{template "T"}}{{end}}{{template "T"}}', /executing "T" at .*exceeded maximum template depth/],
  ['{{range 99999}}{{range 99999}}{{end}}{{end}}', /too many iterations/],
  ['{{constructor}}', /template: :1: function "constructor" not defined$/],
  ['{{__defineGetter__ . "x"}}', /template: :1: function "__defineGetter__" not defined$/],
  [twice((name, next) => `{{define "${name}"}}{{template "${next}"}}{{template "${next}"}}{{end}}`), /too many steps/],
  [`{{$x := "0123456789abcdef"}}${'{{$x = print $x $x}}'.repeat(60)}`, /error calling print: the text is too long/],
  [`{{range 60000}}${'x'.repeat(4000)}{{end}}`, /the text is too long/],
  ['{{printf "%999999d" 1}}', /width 999999 is too large/],
  ['('.repeat(1000).replace(/^/, '{{'), /too many nested parentheses|unclosed/],
]
for (const [template, why] of refused)
  test(`template ${template.slice(0, 60)} is refused`, () => assert.throws(() => renderTemplate(template, DATA), why))
