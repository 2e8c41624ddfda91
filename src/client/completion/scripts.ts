// Scripts that teach a shell to ask this program what a word can become. They hold no commands themselves: a newer program is completed by
// an older script.

export type ShellName = 'bash' | 'fish' | 'powershell' | 'zsh'

/** @param request `__complete`, or `__completeNoDesc` for names alone. */
export const SCRIPTS: Readonly<Record<ShellName, (request: string) => string>> = {
  bash: (request) => String.raw`# bash completion for berth

__berth_offers() {
  local cur words cword answer directive line name
  if declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref -n =: cur words cword
  else
    words=("${'$'}{COMP_WORDS[@]}") cword=$COMP_CWORD cur=${'$'}{COMP_WORDS[COMP_CWORD]}
  fi
  answer=$("${'$'}{words[0]/#\~/$HOME}" ${request} "${'$'}{words[@]:1:cword}" 2>/dev/null) || return
  directive=${'$'}{answer##*:}
  answer=${'$'}{answer%:*}
  COMPREPLY=()
  ((directive & 1)) && return
  if type compopt >/dev/null 2>&1; then
    ((directive & 2)) && compopt -o nospace
    ((directive & 4)) && compopt +o default
  fi
  # What follows the equals sign of --flag=value is a word of its own to readline.
  [[ $cur == --*=* ]] && cur=${'$'}{cur#*=}
  local -a rows=()
  while IFS= read -r line; do
    name=${'$'}{line%%$'\t'*}
    [[ -n $name && $name == "$cur"* ]] && rows+=("$line")
  done <<<"$answer"
  if ((${'$'}{#rows[@]} == 1)); then
    name=${'$'}{rows[0]%%$'\t'*}
    COMPREPLY=("$(printf %q "$name")")
  else
    local width=0
    for line in "${'$'}{rows[@]}"; do
      name=${'$'}{line%%$'\t'*}
      ((${'$'}{#name} > width)) && width=${'$'}{#name}
    done
    for line in "${'$'}{rows[@]}"; do
      name=${'$'}{line%%$'\t'*}
      # Descriptions are shown where all offers are listed, and only then: what is inserted is what they have in common.
      if [[ $line == *$'\t'* && $COMP_TYPE == 63 ]]; then
        printf -v line '%-*s  (%s)' "$width" "$name" "${'$'}{line#*$'\t'}"
        COMPREPLY+=("${'$'}{line:0:${'$'}{COLUMNS:-80}}")
      else
        COMPREPLY+=("$name")
      fi
    done
  fi
  declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
  return 0
}

complete -o default -F __berth_offers berth
`,

  zsh: (request) => String.raw`#compdef berth
# zsh completion for berth

_berth() {
  local answer directive line
  local -a lines offers flags
  answer=$("${'$'}{(Q)words[1]}" ${request} "${'$'}{(@Q)words[2,CURRENT]}" 2>/dev/null) || return 1
  lines=("${'$'}{(@f)answer}")
  directive=${'$'}{lines[-1]#:}
  lines[-1]=()
  (( directive & 1 )) && return 1
  for line in "${'$'}{lines[@]}"; do
    [[ -z $line ]] && continue
    # A colon ends the name for _describe.
    line=${'$'}{line//:/\\:}
    offers+=("${'$'}{line/$'\t'/:}")
  done
  (( directive & 2 )) && flags=(-S '')
  # The value of --flag=value is completed as a word of its own.
  [[ ${'$'}{words[CURRENT]} == --*=* ]] && compset -P '*='
  if (( ${'$'}{#offers} )) && _describe -V 'offers' offers "${'$'}{flags[@]}"; then
    return 0
  fi
  (( directive & 4 )) && return 1
  _files
}

if [ "$funcstack[1]" = _berth ]; then
  _berth "$@"
else
  compdef _berth berth
fi
`,

  fish: (request) => String.raw`# fish completion for berth

# True where files are not wanted; leaves the offers in a variable.
function __berth_ask
    set -g __berth_offers
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l answer ($words[1] ${request} $words[2..-1] "$current" 2>/dev/null)
    or return 1
    set -l directive (string sub --start 2 -- $answer[-1])
    set -e answer[-1]
    test (math "bitand($directive, 1)") -eq 0
    or return 1
    set -l prefix (string match --regex '^--[^=]*=' -- $current)
    for line in $answer
        set -a __berth_offers "$prefix$line"
    end
    test (count $__berth_offers) -gt 0
    or test (math "bitand($directive, 4)") -ne 0
end

complete -c berth -e
complete -c berth -n __berth_ask -f -k -a '(printf "%s\n" $__berth_offers)'
`,

  powershell: (request) => `# powershell completion for berth

Register-ArgumentCompleter -Native -CommandName berth -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $elements = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { "$_" })
  $program = $elements[0]
  $words = @($elements | Select-Object -Skip 1)
  if ($wordToComplete -eq '') { $words += '""' }
  $answer = @(& $program ${request} @words 2>$null)
  if ($answer.Count -eq 0) { return }
  $directive = [int]$answer[-1].TrimStart(':')
  if ($directive -band 1) { return }
  $space = if ($directive -band 2) { '' } else { ' ' }
  $prefix = if ($wordToComplete -match '^(--[^=]*=)') { $Matches[1] } else { '' }
  $answer | Select-Object -SkipLast 1 | ForEach-Object {
    $name, $description = $_ -split [char]9, 2
    $name = $prefix + $name
    if ($name -like "$wordToComplete*") {
      $tip = if ($description) { $description } else { $name }
      [System.Management.Automation.CompletionResult]::new($name + $space, $name, 'ParameterValue', $tip)
    }
  }
}
`,
}
