import { z } from 'zod';

/** A line of `app.log`, as far as people read it. */
const lineSchema = z.object({
  time: z.iso.datetime(),
  level: z.string(),
  msg: z.string(),
  source: z.string().optional(),
  project: z.string().optional(),
  stream: z.string().optional(),
  code: z.string().optional(),
});

/**
 * A line of the log for people: `2026-11-21 22:55:08 robot | standing`, in UTC as versions are listed. What a project
 * printed looks as it does while the log is followed. A line that is something else stays as it is.
 */
export function logLineWords(line: string): string {
  const { data } = lineSchema.safeParse(parseJson(line));
  if (data === undefined) return line;
  const { time, level, msg, source = 'gateway', project, stream, code } = data;
  const when = time.replace('T', ' ').slice(0, 19);
  if (project !== undefined) return `${when} ${project} ${stream === 'stdout' ? '|' : '!'} ${msg}`;
  const mark = level === 'info' || level === 'debug' ? '' : `${level}: `;
  return `${when} ${source}: ${mark}${msg}${code === undefined ? '' : ` (${code})`}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema refuses it.
  }
}
