import { describe, expect, test } from '@jest/globals'
import { Command } from 'commander'
import { COMMANDS, listedCommand } from '#bin/command-list.ts'

describe('the list of commands', () => {
  test.each(Object.keys(COMMANDS))('%s: its line of help is the command’s own', async name => {
    const helpWith = (command: Command) => new Command('promostream').addCommand(command).helpInformation()
    expect(helpWith(listedCommand(name))).toBe(helpWith((await COMMANDS[name]?.load()) as Command))
  })
})
