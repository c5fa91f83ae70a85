import { ROOMS, type Room } from './rooms.ts'
import type { Import, SourceFile } from './source-files.ts'

/** The room of a file: the innermost folder that holds it. */
export function roomOf(path: string, rooms: readonly Room[] = ROOMS): Room | undefined {
  return rooms
    .filter(({ folder }) => path.startsWith(`${folder}/`))
    .sort((one, other) => other.folder.length - one.folder.length)[0]
}

/** What a file imports against the table, as lines for a person. */
export function forbiddenImports({ path, imports }: SourceFile, rooms: readonly Room[] = ROOMS): string[] {
  const room = roomOf(path, rooms)
  if (room === undefined) return [`${path} lives in no room`]
  return imports.flatMap(each => {
    const why = each.file === undefined ? refusedPackage(room, each) : refusedFile(room, each.file, rooms)
    return why === undefined ? [] : [`${path}:${each.line} imports ${each.specifier}: ${why}`]
  })
}

function refusedPackage({ folder, packages = [], packageTypes = [] }: Room, each: Import): string | undefined {
  const name = each.package
  if (name === undefined) return 'nobody can tell what a computed name leads to'
  if (name.startsWith('node:') || packages.includes(name)) return undefined
  if (!packageTypes.includes(name)) return `${folder} knows no ${name}`
  return each.isType ? undefined : `${folder} knows only types of ${name}`
}

function refusedFile(room: Room, file: string, rooms: readonly Room[]): string | undefined {
  if (file === 'package.json') return undefined
  const other = roomOf(file, rooms)
  if (other === undefined) return 'it lives in no room'
  if (other === room) return undefined
  if (!room.mayImport.includes(other.folder)) return `${room.folder} may not import ${other.folder}`
  if (isNested(room, other) || other.doors === undefined || other.doors.includes(file)) return undefined
  return `the only doors of ${other.folder} are ${other.doors.join(', ')}`
}

/** A room within the other, either way: doors are for the rest of the house. */
const isNested = (one: Room, other: Room) =>
  one.folder.startsWith(`${other.folder}/`) || other.folder.startsWith(`${one.folder}/`)

/** Arrows of the table itself that do not lead downwards. */
export function wrongArrows(rooms: readonly Room[] = ROOMS): string[] {
  return rooms.flatMap(room =>
    room.mayImport.flatMap(folder => {
      const other = rooms.find(each => each.folder === folder)
      if (other === undefined) return [`${room.folder} → ${folder}: there is no such room`]
      const isDown = other.floor < room.floor || isNested(room, other)
      return isDown ? [] : [`${room.folder} (floor ${room.floor}) → ${folder} (floor ${other.floor})`]
    }),
  )
}

/** What the table allows and no file makes use of. */
export function unusedArrows(files: readonly SourceFile[], rooms: readonly Room[] = ROOMS): string[] {
  return rooms.flatMap(room => {
    const imports = files.filter(({ path }) => roomOf(path, rooms) === room).flatMap(file => file.imports)
    const used = new Set(
      imports.map(({ file, package: name }) => (file === undefined ? name : roomOf(file, rooms)?.folder)),
    )
    const allowed = [...room.mayImport, ...(room.packages ?? []), ...(room.packageTypes ?? [])]
    return allowed.filter(each => !used.has(each)).map(each => `${room.folder} → ${each}`)
  })
}

/** Every set of files that import each other in a ring, types included: the ring's files, shortest way round. */
export function findCycles(files: readonly SourceFile[]): string[] {
  const targets = new Map(files.map(({ path, imports }) => [path, imports.flatMap(({ file }) => file ?? [])]))
  const rings = new Map<string, string>()
  for (const start of targets.keys()) {
    const ring = wayBack(start, targets)
    if (ring === undefined) continue
    const key = [...ring].sort().join()
    if (!rings.has(key)) rings.set(key, [...ring, start].join(' → '))
  }
  return [...rings.values()]
}

/** Breadth first, so that the shortest ring through a file is told. */
function wayBack(start: string, targets: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    for (const next of targets.get(file) ?? []) {
      if (next === start) return wayTo(file, start, cameFrom)
      if (cameFrom.has(next)) continue
      cameFrom.set(next, file)
      queue.push(next)
    }
  }
  return undefined
}

function wayTo(file: string, start: string, cameFrom: ReadonlyMap<string, string>): string[] {
  const way = [file]
  for (let at = file; at !== start; ) {
    at = cameFrom.get(at) ?? start
    way.unshift(at)
  }
  return way
}
