import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'

const ROOMS = ['src', 'queues', 'workers']
const glossary = readFileSync('docs/glossary.md', 'utf8')

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))

const words = new Set(
  ROOMS.flatMap(room => filesOf(room).map(name => readFileSync(`${room}/${name}`, 'utf8')))
    .join('\n')
    .toLowerCase()
    .match(/\w+/g),
)

/** The table below a heading, by rows of cells. */
function tableBelow(heading: string): string[][] {
  const section = glossary.split(`# ${heading}\n`)[1]!.split('\n#')[0]!
  return section
    .split('\n')
    .filter(line => line.startsWith('| '))
    .slice(1)
    .map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')))
}

describe('docs/glossary.md', () => {
  const names = tableBelow('Names of the planning documents').flatMap(([, here]) =>
    [...here!.matchAll(/`([A-Za-z_]\w+)`/g)].map(([, name]) => name!),
  )
  const listeners = [...glossary.matchAll(/`(Campaign\w+Listener)`/g)].map(([, name]) => name!)

  test('has rows', () => expect(names.length).toBeGreaterThan(20))

  test.each([...new Set([...names, ...listeners])])('%s stands in the code', name => {
    // A factory begins with a small letter.
    expect(words.has(name.toLowerCase())).toBe(true)
  })
})
