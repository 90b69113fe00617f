import { CHECK_NAMES, type CheckName } from './check-names.ts';
import { reportJson, reportLines, verdictLine } from './report.ts';
import { runChecks, worst } from './run-checks.ts';
import type { ServerAddress } from './server-address.ts';
import { checksOf, type Subject } from './subject.ts';
import { type CheckedCommand, needsOf } from './subject-of-command.ts';

export interface DoctorOptions {
  readonly server: readonly ServerAddress[];
  readonly checkpoint?: string;
  readonly port: readonly number[];
  readonly host: string;
  readonly cameraId: readonly string[];
  readonly interface: readonly string[];
  readonly device: string;
  readonly segment?: string;
  readonly rounds: number;
  readonly fps: number;
  /** Seconds. */
  readonly timeout: number;
  readonly token?: string;
  readonly tls: boolean;
  readonly tlsCa?: string;
  readonly only?: readonly CheckName[];
  readonly for?: CheckedCommand;
  readonly json: boolean;
}

/** Looks at what it is told to and reports. Returns the exit code: 1 when there is a problem. */
export async function runDoctor(options: DoctorOptions, args: readonly string[]): Promise<number> {
  const environmentToken = process.env.MYELIN_TOKEN;
  const own: Subject = {
    names: CHECK_NAMES,
    servers: options.server,
    token: options.token ?? (environmentToken === '' ? undefined : environmentToken),
    tls: options.tls,
    tlsCa: options.tlsCa,
    checkpoint: options.checkpoint,
    ports: options.port,
    host: options.host,
    cameras: options.cameraId,
    interfaces: options.interface,
    device: options.device,
    segment: options.segment,
    rounds: options.rounds,
    fps: options.fps,
    timeoutMs: options.timeout * 1000,
  };
  const subject = options.for === undefined ? own : { ...own, ...(await needsOf(options.for, args)) };
  const { only } = options;
  const names = only === undefined ? subject.names : subject.names.filter((name) => only.includes(name));
  const say = (text: string) => process.stdout.write(`${text}\n`);
  const reports = await runChecks(checksOf({ ...subject, names }), (report) => {
    if (!options.json) say(reportLines(report).join('\n'));
  });
  say(options.json ? reportJson(reports) : `\n${verdictLine(reports)}`);
  return worst(reports.flatMap(({ findings }) => findings)) === 'problem' ? 1 : 0;
}
