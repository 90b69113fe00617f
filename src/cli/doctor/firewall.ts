import { isLoopback } from '../../serving/engine/listen.ts';
import { type Check, ok, warning } from './check.ts';
import { exists, readLine } from './device-files.ts';

/** Where firewalls leave their traces; other paths in tests. */
export interface FirewallPaths {
  readonly ufw: string;
  readonly firewalld: string;
}
const PATHS: FirewallPaths = { ufw: '/etc/ufw/ufw.conf', firewalld: '/run/firewalld' };

/** Whether a firewall on this machine may keep clients away. Its rules are root's to read: it is a hint. */
export const firewallCheck = (
  ports: readonly number[],
  host = '127.0.0.1',
  { ufw, firewalld }: FirewallPaths = PATHS,
): Check => ({
  name: 'firewall',
  title: 'Firewall',
  look: async () => {
    if (isLoopback(host)) return [ok('does not matter: only this machine is let in (--host 127.0.0.1)')];
    if (/^ENABLED=yes/im.test((await readLine(ufw)) ?? '')) {
      const allow = ports.map((port) => `sudo ufw allow ${port}/tcp`).join(' && ');
      return [warning('ufw is on', `Let clients in: ${allow}`)];
    }
    if (await exists(firewalld)) {
      const allow = ports.map((port) => `--add-port=${port}/tcp`).join(' ');
      return [warning('firewalld is on', `Let clients in: sudo firewall-cmd ${allow}`)];
    }
    return [ok('neither ufw nor firewalld is on; one of the network or the cloud may be')];
  },
});
