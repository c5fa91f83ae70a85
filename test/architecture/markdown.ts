import { readFileSync, writeFileSync } from 'node:fs'
import { ROOMS, type Room } from './rooms.ts'

const BEGIN =
  '<!-- rooms: written by `UPDATE_ARCHITECTURE=1 npm test -- test/architecture`; the table is test/architecture/rooms.ts -->'
const END = '<!-- /rooms -->'

/** The table as ARCHITECTURE.md shows it. */
export function roomsTable(rooms: readonly Room[] = ROOMS): string {
  const rows = rooms.map(room => {
    const cells = [room.floor, `\`${room.folder}\` ${room.is}`, importsOf(room), packagesOf(room)]
    return `| ${cells.join(' | ')} |`
  })
  return ['| floor | room | may import | packages (*types only*) |', '|---|---|---|---|', ...rows].join('\n')
}

function importsOf({ mayImport, doors }: Room): string {
  const names = mayImport.map(shortName).join(', ') || 'nothing of ours'
  return doors === undefined
    ? names
    : `${names}; only door: \`${doors.map(door => door.split('/').pop()).join('`, `')}\``
}

const packagesOf = ({ packages = [], packageTypes = [] }: Room) =>
  [...packages, ...packageTypes.map(name => `*${name}*`)].join(', ') || '–'

const shortName = (folder: string) => folder.replace(/^src\//, '')

/** The document with the table between its two marks. */
export function withRoomsTable(document: string): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`the document has no place for the table:\n${BEGIN}\n${END}`)
  return `${document.slice(0, begin)}${BEGIN}\n${roomsTable()}\n${document.slice(end)}`
}

/** Reads the document; writes it anew first where the environment asks for that. */
export function readArchitecture(path: string): string {
  const document = readFileSync(path, 'utf8')
  if (process.env.UPDATE_ARCHITECTURE === undefined) return document
  const fresh = withRoomsTable(document)
  writeFileSync(path, fresh)
  return fresh
}
