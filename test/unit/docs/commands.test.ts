import { existsSync, globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import type { Command } from 'commander'
import { COMMANDS } from '#bin/command-list.ts'
import { readCompose } from '../../support/compose.ts'
import { kustomize } from '../../support/kustomize.ts'

const pages = globSync(['*.md', 'docs/**/*.md']).filter(page => page !== 'CHANGELOG.md')
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }

/** Lines of shell blocks, and code inside a sentence; continued lines are one. */
function codeOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replace(/\\\n\s*/g, ' ')
  const blocks = [...text.matchAll(/^```(?:sh)?\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block!.split('\n'))
  const inline = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
  return [...blocks, ...inline].map(line => line.replace(/\s+#\s.*$/, '').trim())
}

const commandsOf = (page: string, pattern: RegExp) => codeOf(page).flatMap(line => [...line.matchAll(pattern)])

/** A command of the CLI: it is there, it has these options, and takes so many arguments. */
async function problemOf(name: string, words: readonly string[]): Promise<string | undefined> {
  const known = COMMANDS[name]
  if (known === undefined) return `promostream ${name} is not there`
  const command: Command = await known.load()
  let given = 0
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]!
    if (!word.startsWith('--')) {
      given += 1
      continue
    }
    const option = command.options.find(({ long }) => long === word)
    if (option === undefined && !['--help', '--json'].includes(word)) return `promostream ${name} has no ${word}`
    if (option?.required === true) index += 1
  }
  const most = command.registeredArguments.some(({ variadic }) => variadic) ? 100 : command.registeredArguments.length
  return given > most ? `promostream ${name} takes ${most} arguments, not ${given}` : undefined
}

/** The program that a script of package.json runs. */
const programOf = (script: string) => /\S+\.ts$/.exec(scripts[script] ?? '')?.[0] ?? ''

/** As its source names it: for commander, or for Node's `parseArgs`. */
const hasOption = (program: string, option: string) =>
  existsSync(program) &&
  new RegExp(`--${option}\\b(?!-)|^\\s*.*['{ ]${option}'?: \\{`, 'm').test(readFileSync(program, 'utf8'))

describe.each(pages)('the commands of %s', page => {
  test('npm runs scripts that are there', () => {
    const names = commandsOf(page, /npm run (?:--silent )?([a-z][a-z:-]*[a-z])(?![:\w-])/g).map(([, name]) => name!)
    expect(names.filter(name => scripts[name] === undefined)).toEqual([])
  })

  test('the CLI has them, with their options', async () => {
    const commands = commandsOf(page, /(?:^|npm run (?:--silent )?)promostream (?:-- )?([a-z][a-z-]*)([^|>]*)/g)
    const problems = await Promise.all(
      commands.map(([, name = '', rest = '']) => problemOf(name, rest.trim().split(/\s+/).filter(Boolean))),
    )
    expect(problems.filter(Boolean)).toEqual([])
  })

  test('so it has those that a sentence names without the program', async () => {
    const commands = commandsOf(page, /^([a-z][a-z-]*) ((?:\d+|--[a-z]).*)$/g).filter(([, name]) => COMMANDS[name!])
    const problems = await Promise.all(commands.map(([, name = '', rest = '']) => problemOf(name, rest.split(/\s+/))))
    expect(problems.filter(Boolean)).toEqual([])
  })

  test('scripts have the options that are given to them', () => {
    const given = commandsOf(page, /npm run (?:--silent )?(?!promostream|test)([a-z][a-z:-]*) -- (.*)$/g)
    const unknown = given.flatMap(([, name = '', words = '']) =>
      [...words.matchAll(/--([a-z][a-z-]*)/g)]
        .map(([, option]) => option!)
        .filter(option => !hasOption(programOf(name), option))
        .map(option => `${name} has no --${option}`),
    )
    expect(unknown).toEqual([])
  })

  test('files that are run are there', () => {
    const files = commandsOf(
      page,
      /(?:-f |-k |--import |node (?:--\S+ )*)(?:\/app\/)?(\.?\/?(?:docker|src|test|examples|dist)\/[\w./-]+)/g,
    )
    const paths = files.map(([, path]) => path!.replace(/^dist\/(.*)\.js$/, '$1.ts'))
    expect(paths.filter(path => !existsSync(path))).toEqual([])
  })
})

test('Compose is asked for services and profiles that are there, and `publish` for what it takes', () => {
  const { services } = readCompose('docker/compose.yaml')
  const page = 'docs/deployment.md'
  const named = commandsOf(page, /docker compose .*?\b(?:logs|run --rm) ([a-z-]+)(.*)$/g)
  expect(named.map(([, service]) => service).sort()).toEqual(['login', 'publish'])
  for (const [, service = '', rest = ''] of named) {
    expect(services).toHaveProperty(service)
    for (const [, option] of rest.matchAll(/--([a-z-]+)/g))
      expect([option, hasOption('src/local/sample.ts', option!)]).toEqual([option, true])
  }
  const profiles = commandsOf(page, /docker compose .*?--profile ([a-z-]+)/g).map(([, profile]) => profile)
  expect(profiles).toEqual(['monitoring'])
  for (const profile of profiles)
    expect(Object.values(services).some(({ profiles: own = [] }) => own.includes(profile!))).toBe(true)
})

test('scenarios and migrations that are named are there', () => {
  const inAll = (pattern: RegExp) => pages.flatMap(page => commandsOf(page, pattern)).map(([, name]) => name!)
  const scenarios = inAll(/--scenario ([a-z][a-z-]*)/g)
  const list = readFileSync('test/chaos/scenarios/all.ts', 'utf8')
  expect(scenarios.length).toBeGreaterThan(3)
  expect(scenarios.filter(name => !new RegExp(`^  '?${name}'?[,:]`, 'm').test(list))).toEqual([])
  const migrations = inAll(/--rollback-to (\S+)/g)
  expect(migrations.length).toBeGreaterThan(0)
  for (const name of migrations) expect(existsSync(`src/database/schema/migrations/migration-${name}.ts`)).toBe(true)
})

test('every folder of docker/k8s has its row in the docs, and no other', () => {
  const rows = [...readFileSync('docs/deployment.md', 'utf8').matchAll(/^\| `((?:base|components|overlays)[\w/]*)`/gm)]
  const folders = globSync('docker/k8s/**/kustomization.yaml').map(path => path.split('/').slice(2, -1).join('/'))
  expect(rows.map(([, folder]) => folder).sort()).toEqual(folders.sort())
})

test('kubectl asks for what the overlay makes', () => {
  const objects = new Set(
    kustomize('docker/k8s/overlays/production').map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`),
  )
  const named = commandsOf('docs/deployment.md', /kubectl .*?\b(deployment|job)[/ ]([\w-]+)/g)
  expect(named.length).toBeGreaterThan(2)
  for (const [, kind, name] of named) expect(objects).toContain(`${kind}/${name}`)
})

test('a command that is not there would be found', async () => {
  expect(await problemOf('pay', [])).toContain('not there')
  expect(await problemOf('status', ['42', '--twice'])).toContain('has no --twice')
  expect(await problemOf('resume-calls', ['42'])).toContain('takes 0')
  expect(hasOption(programOf('demo'), 'seal')).toBe(true)
  expect(hasOption(programOf('demo'), 'sea')).toBe(false)
  expect(hasOption(programOf('migrate'), 'rollback-to')).toBe(true)
})
