// completion bash, fish, powershell, zsh: scripts for the shells; __complete: what the scripts ask.
import { messageOf } from '../../base/failure.ts'
import type { Command } from '../command.ts'
import { complete, type CompletionWorld } from '../completion/complete.ts'
import { describeDirective, DIRECTIVE, type Offers } from '../completion/offer.ts'
import { SCRIPTS, type ShellName } from '../completion/scripts.ts'

function script(name: ShellName, howTo: string): Command {
  return {
    description: `Generate the autocompletion script for ${name === 'powershell' ? 'powershell' : `the ${name} shell`}.\n\n${howTo}`,
    flags: [{ name: 'no-descriptions', kind: 'boolean', usage: 'disable completion descriptions' }],
    args: { min: 0, max: 0 },
    async run(shell, _args, flags) {
      const isBare = flags.boolean('no-descriptions') ?? Boolean(shell.env['DOCKER_CLI_DISABLE_COMPLETION_DESCRIPTION'])
      shell.print(SCRIPTS[name](isBare ? '__completeNoDesc' : '__complete'))
      return 0
    },
  }
}

const NEW_SHELL = 'You will need to start a new shell for this setup to take effect.'

export const completionBash = script(
  'bash',
  `This script depends on the 'bash-completion' package.
If it is not installed already, you can install it via your OS's package manager.

To load completions in your current shell session:

	source <(berth completion bash)

To load completions for every new session, execute once:

#### Linux:

	berth completion bash > /etc/bash_completion.d/berth

#### macOS:

	berth completion bash > $(brew --prefix)/etc/bash_completion.d/berth

${NEW_SHELL}`,
)

export const completionZsh = script(
  'zsh',
  `If shell completion is not already enabled in your environment you will need
to enable it.  You can execute the following once:

	echo "autoload -U compinit; compinit" >> ~/.zshrc

To load completions in your current shell session:

	source <(berth completion zsh)

To load completions for every new session, execute once:

#### Linux:

	berth completion zsh > "\${fpath[1]}/_berth"

#### macOS:

	berth completion zsh > $(brew --prefix)/share/zsh/site-functions/_berth

${NEW_SHELL}`,
)

export const completionFish = script(
  'fish',
  `To load completions in your current shell session:

	berth completion fish | source

To load completions for every new session, execute once:

	berth completion fish > ~/.config/fish/completions/berth.fish

${NEW_SHELL}`,
)

export const completionPowershell = script(
  'powershell',
  `To load completions in your current shell session:

	berth completion powershell | Out-String | Invoke-Expression

To load completions for every new session, add the output of the above command
to your powershell profile.`,
)

/** Prints the offers for the last of `words`; wrong words before it are told on standard error and offer files. */
export async function printOffers(
  words: readonly string[],
  isBare: boolean,
  world: CompletionWorld,
  print: (fd: 1 | 2, text: string) => void,
): Promise<number> {
  let offers: Offers = { words: [], directive: DIRECTIVE.default }
  try {
    offers = await complete(words, world)
  } catch (error) {
    print(2, `[Debug] [Error] ${messageOf(error)}\n`)
  }
  const lines = offers.words.map((word) => `${(isBare ? word.split('\t')[0] : word)?.trim()}\n`)
  print(1, `${lines.join('')}:${offers.directive}\n`)
  print(2, `Completion ended with directive: ${describeDirective(offers.directive)}\n`)
  return 0
}
