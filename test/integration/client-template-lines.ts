// Templates of Go's text/template for client-templates.test.ts: of a container that runs, with labels a=1, b=2 and environment A=1, B=2.
// One a line; right ones and wrong ones.

export const TEMPLATE_LINES = String.raw`

{{define "T"}}<{{.}}>{{end}}{{template "T" .Name}}
{{template "T"}}
{{block "B" .Name}}[{{.}}]{{end}}
{{template "missing" .}}
{{define "x"}}a
{{range .Config.Env}}{{break}}{{end}}x
{{range $i, $e := .Config.Env}}{{if $i}},{{end}}{{$e}}{{end}}
{{range $e := .Config.Env}}{{if eq $e "A=1"}}{{continue}}{{end}}{{$e}};{{end}}
{{break}}
{{and true false}}{{and 1 0}}{{or 0 "x"}}{{not true}}
{{and}}
{{not}}
{{eq 1 1.0}}
{{eq 1 2 1}}
{{eq "a" 1}}
{{ne "a" "b"}}{{lt 1 2}}{{le 2 2}}{{gt "b" "a"}}{{ge 1 2}}
{{lt "a" 1}}
{{eq .Config .Config}}
{{len .Name}} {{len .Config.Env}} {{len 3}}
{{index .Config.Env 0}} {{index .Config.Env 99}}
{{index .Config.Labels "a"}}{{index .Config.Labels "zz"}}
{{index .Config.Env "a"}}
{{index .Name 0}}
{{slice .Name 1 3}} {{slice .Config.Env 1}} {{slice .Name 99}}
{{printf "%s %d %v %q %x %t %T" .Name 3 .State.Running "a" 255 true "x"}}
{{printf "%5d|%-5d|%05d|%+d" 3 3 3 3}}
{{printf "%.2f %e %g" 1.5 1.5 1.5}}
{{printf "%d" "x"}} {{printf "%s"}} {{printf "%s" 1}} {{printf "x" 1}}
{{printf "%v %+v" .Config.Env .HostConfig.RestartPolicy}}
{{printf "%U %c" 65 65}}
{{printf "%*d" 5 3}}
{{printf "%%"}} {{printf "%z" 1}}
{{print 1 2 "a" "b" 3}} {{println 1 "a"}}
{{html "<a&\"'>"}} {{js "a'b\"<"}} {{urlquery "a b&c/é"}}
{{$x := 1}}{{$x}} {{$x = 2}}{{$x}}
{{if $x := .Name}}{{$x}}{{end}}
{{with $x := .State}}{{$x.Status}} {{.Running}}{{end}}
{{with .Bogus}}a{{else}}b{{end}}
{{with .State.Health}}a{{else with .Name}}{{.}}{{else}}b{{end}}
{{$y}}
{{- /* c */ -}} x {{- "y" -}} z
{{/* c }}
{{/* c */ x}}
{{"a" | printf "%s-%s" "b"}}
{{"a" | len | printf "%d"}}
{{(len .Name)}} {{(.State).Status}} {{(index .Config.Env 0) | upper}}
{{.State.Status | upper | lower | title}}
{{1 | 2}}
{{.Name | .State}}
{{"a}}
{{@@raw "x"@@}}
{{'a'}} {{0x10}} {{1_000}} {{1e3}} {{1.5}} {{-3}} {{+3}} {{0b11}} {{0o17}} {{017}}
{{true}} {{nil}}
{{nil | print}}
{{if nil}}{{end}}
{{json .State.Status}} {{json .Config.Labels}} {{json "<a>"}}
{{json .Config.Env | println}}
{{join .Config.Env ","}} {{split "a,b" ","}} {{index (split "a,b" ",") 1}}
{{join .Name ","}}
{{title "hello world"}} {{title "a-b c_d"}} {{upper "é"}} {{lower "ABC"}}
{{pad "x" 1 2}}|{{pad "" 1 2}}|{{truncate "hello" 3}}|{{truncate "é" 1}}|{{truncate "a" 9}}
{{upper 1}}
{{upper}}
{{upper "a" "b"}}
{{call .Name}}
{{.Name.Foo}}
{{.State.Status.Foo}}
{{.Config.Labels.a.b}}
{{$.Name}} {{range .Config.Env}}{{$.State.Status}}{{end}}
{{range .Name}}{{.}}{{end}}
{{range 3}}{{.}}{{end}}
{{range $i := 3}}{{$i}}{{end}}
{{range .State}}x{{end}}
{{range $k, $v := .Config.Labels}}{{$k}}{{$v}}{{else}}none{{end}}
{{range .Mounts}}x{{else}}none{{end}}
{{range $a, $b, $c := .Mounts}}{{end}}
{{else}}
{{end}}
{{if}}a{{end}}
{{if .Name}}a
{{if .Name}}a{{else}}b{{else}}c{{end}}
{{if .Name}}a{{else if}}b{{end}}
{{range}}{{end}}
{{.Name .State}}
{{.Name 1}}
{{foo}}
{{foo.bar}}
{{.foo}}
{{.Foo.Bar}}
{{.State.}}
{{..}}
{{.Name}
{{.Name}} }}
{{ }}
{{|}}
{{.Name |}}
{{(.Name}}
{{.Name)}}
{{"a" = 1}}
{{$x = 1}}
{{1 + 2}}
{{@}}
{{"\q"}}
{{"\u00e9\n\x41"}}
{{'ab'}}
{{index}}
{{index .Config.Labels}}
{{index nil 1}}
{{index .Config.Env -1}}
{{index .Config.Env 0 0}}
{{slice}}
{{slice .Config.Labels 1}}
{{len nil}}
{{len}}
{{not 1 2}}
{{eq 1}}
{{eq}}
{{lt 1}}
{{html}}
{{template}}
{{template "T" . .}}
{{define T}}{{end}}
{{define "T"}}{{define "U"}}{{end}}{{end}}
{{if true}}{{define "T"}}{{end}}{{end}}
{{range $n, $c := .NetworkSettings.Networks}}{{$n}}={{$c.IPAddress}}{{end}}
{{.NetworkSettings.Networks.none.IPAddress}}
{{(index .NetworkSettings.Networks "none").NetworkID | len}}
{{.GraphDriver.Name}} {{json .State}}
{{.HostConfig.RestartPolicy.Name}}{{.HostConfig.LogConfig}}
{{.Config.Healthcheck}} {{.Config.Entrypoint}} {{.Config.OnBuild}}
{{.HostConfig.Ulimits}} {{.HostConfig.Devices}} {{.HostConfig.PortBindings}}
{{eq .HostConfig.Memory 0}} {{gt .State.Pid 0}} {{eq .State.ExitCode 0}}
{{if and (eq .State.Status "running") (not .State.Paused)}}up{{end}}
{{if or .State.Paused .State.Running}}yes{{end}}
{{and .Nope .Bogus}}
{{or .Name .Bogus}}
`
  .slice(1, -1)
  .replaceAll('@@', '`') // a raw string can hold none
  .split('\n')
