import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

const FOLDER = join(import.meta.dirname, '../../../src/stream')
/** They are the clock; or wait for a socket, whose time nobody moves. */
const OWN_TIME = new Set(['clock.ts', 'test-clock.ts', 'connection.ts'])

test('queues and workers take their time from the clock that a test can move', () => {
  const files = readdirSync(FOLDER).filter(file => file.endsWith('.ts') && !OWN_TIME.has(file))
  expect(files.length).toBeGreaterThan(30)
  const wrong = files.filter(file => {
    const text = readFileSync(join(FOLDER, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
    const imported = /import \{([^}]*)\} from '\.\/clock\.ts'/.exec(text)?.[1] ?? ''
    const used = [...text.matchAll(/\b(setTimeout|clearTimeout|setInterval|clearInterval|performance)\b[.(]/g)]
    const isOfNode = /node:timers|Date\.now\(/.test(text)
    return isOfNode || used.some(([, name = '']) => !imported.includes(name))
  })
  expect(wrong).toEqual([])
})
