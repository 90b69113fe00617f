import { createServer } from 'node:net';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { portHolder } from './port-holder.ts';

/** What Myelin listens at unless told otherwise. */
export const USUAL_PORTS: ReadonlyMap<number, string> = new Map([
  [8000, 'page'],
  [8001, 'openpi'],
  [8080, 'LeRobot'],
  [8765, 'pi0.5'],
]);

/**
 * Whether ports can be listened at.
 * @param wanted those that must be free; without any, the usual ones are looked at and a taken one is a warning
 */
export const portsCheck = (wanted: readonly number[] = [], host = '127.0.0.1'): Check => ({
  name: 'ports',
  title: 'Ports',
  look: () => {
    const ports = wanted.length > 0 ? wanted : [...USUAL_PORTS.keys()];
    return Promise.all(ports.map((port) => look(port, host, wanted.length > 0)));
  },
});

async function look(port: number, host: string, needed: boolean): Promise<Finding> {
  const name = `${port}${USUAL_PORTS.has(port) ? ` (${USUAL_PORTS.get(port)})` : ''}`;
  const values = { port, host };
  const code = await tryToListen(port, host);
  if (code === undefined) return ok(`${name} is free`, values);
  const tell = needed ? problem : warning;
  if (code === 'EADDRINUSE') {
    const holder = await portHolder(port);
    const by = holder === undefined ? '' : ` by process ${holder.pid} (${holder.command})`;
    const stop =
      holder === undefined ? `Find it with: sudo ss -ltnp 'sport = :${port}'` : `kill ${holder.pid}`;
    return tell(`${name} is in use${by}`, `Stop that program (${stop}), or choose another port.`, values);
  }
  if (code === 'EADDRNOTAVAIL')
    return tell(
      `${host} is no address of this machine`,
      'ip address shows which it has; 0.0.0.0 is all of them.',
    );
  const hint =
    code === 'EACCES' ? 'Ports below 1024 are for root: choose another one.' : 'Choose another port.';
  return tell(`${name} cannot be listened at: ${code}`, hint, values);
}

/** The system's complaint; undefined when it went well. */
function tryToListen(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
