import { SIZES } from './rooms.ts'
import type { SourceFile } from './source-files.ts'

/** How big files and functions are, in lines, and folders of the domain, in files. */
export interface Figures {
  files: { count: number; median: number; p90: number; max: number; tooLong: string[] }
  functions: { count: number; median: number; p90: number; max: number; tooLong: string[] }
  folders: { max: number; tooFull: string[] }
}

export function measure(sources: readonly SourceFile[]): Figures {
  const tooLong = sources.filter(({ lines }) => lines > SIZES.file.max).map(({ path, lines }) => `${path}: ${lines}`)
  return {
    files: { ...spread(sources.map(({ lines }) => lines)), tooLong },
    functions: { ...spread(sources.flatMap(({ functionLines }) => functionLines)), tooLong: tooLongFunctions(sources) },
    folders: foldersOf(sources),
  }
}

function tooLongFunctions(sources: readonly SourceFile[]): string[] {
  return sources.flatMap(({ path, functionLines }) =>
    functionLines.filter(lines => lines > SIZES.function.max).map(lines => `${path}: a function of ${lines}`),
  )
}

function spread(numbers: readonly number[]) {
  const sorted = numbers.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? 0
  return { count: sorted.length, median: at(0.5), p90: at(0.9), max: at(1) }
}

function foldersOf(sources: readonly SourceFile[]): Figures['folders'] {
  const { within, max } = SIZES.filesPerFolder
  const folders = sources
    .filter(({ path }) => path.startsWith(`${within}/`))
    .map(({ path }) => path.replace(/\/[^/]*$/, ''))
  const counts = [...Map.groupBy(folders, folder => folder)].map(([folder, { length }]) => [folder, length] as const)
  return {
    max: Math.max(0, ...counts.map(([, length]) => length)),
    tooFull: counts.filter(([, length]) => length > max).map(([folder, length]) => `${folder}: ${length}`),
  }
}

/** For people, one line. */
export function describeFigures({ files, functions, folders }: Figures, cycles: number): string {
  const of = ({ count, median, p90, max }: Omit<Figures['functions'], 'tooLong'>) =>
    `${count}: median ${median}, p90 ${p90}, max ${max} lines`
  return `files ${of(files)}; functions ${of(functions)}; ${SIZES.filesPerFolder.within}: at most ${folders.max} files a folder; ${cycles} cycles`
}
