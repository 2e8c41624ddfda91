// completion: a script for bash that asks this program's own tables.
import { type Command, ExitCode } from '../command.ts'
import { COMMANDS } from '../command-index.ts'

export const completion: Command = {
  flags: [],
  args: { min: 1, max: 1 },
  async run(shell, [name = '']) {
    if (name !== 'bash') throw new ExitCode(1, `completion for ${name} is not supported: use bash`)
    shell.print(script(await Promise.all(COMMANDS.map(caseOf))))
    return 0
  },
}

async function caseOf(entry: (typeof COMMANDS)[number]): Promise<string> {
  const { flags } = await entry.load()
  const words = flags
    .filter((flag) => !flag.hidden)
    .flatMap((flag) => [`--${flag.name}`, ...(flag.short ? [`-${flag.short}`] : [])])
  const objects = /IMAGE/.test(entry.usage) ? 'images' : /CONTAINER|NAME/.test(entry.usage) ? 'containers' : ''
  return `    ${entry.paths.map((path) => `'${path}'`).join('|')}) flags='${words.join(' ')}'; objects=${objects || "''"} ;;`
}

function script(cases: readonly string[]): string {
  const firsts = [...new Set(COMMANDS.flatMap(({ paths }) => paths.map((path) => path.split(' ')[0] ?? '')))].sort()
  const groups = [...new Set(COMMANDS.flatMap(({ paths }) => paths.filter((path) => path.includes(' '))))]
  return `# bash completion for berth
_berth() {
  local current=\${COMP_WORDS[COMP_CWORD]} path=\${COMP_WORDS[1]} flags='' objects=''
  if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W '${firsts.join(' ')}' -- "$current")); return; fi
  case $path in container|image|system)
    if ((COMP_CWORD == 2)); then
      COMPREPLY=($(compgen -W "$(printf '%s\\n' ${groups.map((path) => `'${path}'`).join(' ')} | sed -n "s/^$path //p")" -- "$current"))
      return
    fi
    path="$path \${COMP_WORDS[2]}" ;;
  esac
  case $path in
${cases.join('\n')}
  esac
  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ $objects == images ]]; then
    COMPREPLY=($(compgen -W "$(berth images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$current"))
  elif [[ $objects == containers ]]; then
    COMPREPLY=($(compgen -W "$(berth ps -a --format '{{.Names}}' 2>/dev/null)" -- "$current"))
  fi
}
complete -o default -F _berth berth
`
}
